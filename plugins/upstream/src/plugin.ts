// The plugin `upstream`: registers a server for every entry of `mcpServers`. How servers are opened is in `stdio/` and `http/`.
import { definePlugin } from 'plugboard';
import type { JsonObject, ServerDefinition } from 'plugboard';
import { entrySchema, optionsSchema } from './options.ts';
import type { Entry } from './options.ts';
import { settingsOf } from './settings.ts';
import type { ServerSettings } from './settings.ts';
import { Shared } from './shared.ts';

/** The service `upstream`: servers that are not in the configuration, for plugins that find them elsewhere. */
export interface UpstreamService {
  /**
   * Makes a server of an entry in the format of `mcpServers`, to be registered by the caller. `owner`: id of the only grant that sees
   * it. Throws an Error naming the wrong keys. References such as `${env:NAME}` are not resolved.
   */
  define(name: string, entry: JsonObject, options?: { readonly owner?: string }): ServerDefinition;
}

export default definePlugin({
  id: 'upstream',
  apiVersion: 1,
  title: 'Upstream servers',
  description: 'MCP servers from mcpServers: programs that are started, and servers that are reached over HTTP',
  wants: ['websocket'],
  provides: ['upstream'],
  options: optionsSchema,
  apply({ servers, services, log, directory }, options) {
    const shared = new Shared(options, log);
    const define = (name: string, entry: Entry) =>
      entry.type === 'websocket'
        ? overWebSocket(services.find<WebSocketService>('websocket'), name, entry)
        : definition(shared, settingsOf(name, entry, directory));
    for (const [name, entry] of Object.entries(options.servers)) {
      if (!entry.disabled) servers.register(define(name, entry));
    }
    const service: UpstreamService = {
      define(name, entry, { owner } = {}) {
        const checked = entrySchema.safeParse(entry);
        if (!checked.success) throw new Error(checked.error.issues.map(describeIssue).join('; '));
        return { ...define(name, checked.data), owner };
      },
    };
    services.provide('upstream', service);
    // The core closes the connections of servers it no longer has; those it keeps go on.
    return shared.release;
  },
});

/** The part of the service `websocket` that is used here. */
interface WebSocketService {
  define(name: string, entry: JsonObject): ServerDefinition;
}

function overWebSocket(service: WebSocketService | undefined, name: string, entry: Entry): ServerDefinition {
  if (service === undefined)
    throw new Error(
      `server "${name}" is of type websocket: add the plugin websocket (with { serve: false }, if no client shall connect by it)`,
    );
  const { type, url, headers, isolation, timeout, maxTimeout, era, title } = entry;
  const given = { type, url, headers, isolation, timeout, maxTimeout, era, title };
  return service.define(name, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
}

function describeIssue({ path, message }: { path: PropertyKey[]; message: string }): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
}

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
        return openHttp({ shared, settings, key, events }, signal);
      }
      const { openStdio } = await import('./stdio/open.ts');
      return openStdio({ shared, settings, key, events }, signal);
    },
  };
}
