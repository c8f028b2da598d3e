// The plugin `upstream`: registers a server for every entry of `mcpServers`. How servers are opened is in `stdio/` and `http/`.
import { definePlugin } from 'plugboard';
import type { ServerDefinition } from 'plugboard';
import { openHttp } from './http/open.ts';
import { optionsSchema } from './options.ts';
import { settingsOf } from './settings.ts';
import type { ServerSettings } from './settings.ts';
import { Shared } from './shared.ts';
import { openStdio } from './stdio/open.ts';

export default definePlugin({
  id: 'upstream',
  apiVersion: 1,
  title: 'Upstream servers',
  description: 'MCP servers from mcpServers: programs that are started, and servers that are reached over HTTP',
  options: optionsSchema,
  apply({ servers, log, directory }, options) {
    const shared = new Shared(options, log);
    for (const [name, entry] of Object.entries(options.servers)) {
      if (!entry.disabled) servers.register(definition(shared, settingsOf(name, entry, directory)));
    }
    // The core closes the connections of servers it no longer has; those it keeps go on.
    return shared.release;
  },
});

function definition(shared: Shared, settings: ServerSettings): ServerDefinition {
  const { name, title, kind, isolation, timeout, maxTimeout } = settings;
  return {
    name,
    title,
    kind,
    isolation,
    timeout,
    maxTimeout,
    fingerprint: settings.definition,
    open: (key, events, signal) =>
      settings.kind === 'stdio'
        ? openStdio(shared, settings, key, events, signal)
        : openHttp(shared, settings, key, events, signal),
  };
}
