// The plugin `upstream`: registers a server for every entry of `mcpServers`. How servers are opened is in `stdio/` and `http/`.
import { definePlugin } from 'plugboard';
import type { ServerDefinition } from 'plugboard';
import { optionsSchema } from './options.ts';
import { settingsOf } from './settings.ts';
import type { ServerSettings } from './settings.ts';
import { Shared } from './shared.ts';

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
    fingerprint: `${settings.definition} ${shared.key}`,
    // Each half is loaded with the first server that needs it: the proxy is listening by then.
    open: async (key, events, signal) => {
      if (settings.kind === 'http') {
        const { openHttp } = await import('./http/open.ts');
        return openHttp(shared, settings, key, events, signal);
      }
      const { openStdio } = await import('./stdio/open.ts');
      return openStdio(shared, settings, key, events, signal);
    },
  };
}
