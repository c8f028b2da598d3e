// The plugin: clients that connect by WebSocket, and servers that are reached by it. Each half is a folder of its own.
import { definePlugin, hints, isLoopback, PlugboardError } from 'plugboard';
import type { JsonObject, ServerDefinition } from 'plugboard';
import { Listener } from './clients/listener.ts';
import type { Address, HttpService } from './clients/listener.ts';
import { options } from './options.ts';
import { defineServer } from './servers/definition.ts';
import { entrySchema, settingsOf } from './servers/entry.ts';

export type { Address } from './clients/listener.ts';

/** The service `websocket`: where clients connect, and servers that are configured elsewhere. */
export interface WebSocketService {
  /** Where clients connect; undefined when none are served. */
  address(): Address | undefined;
  /** Connections of clients that are open. */
  readonly connections: number;
  /**
   * Makes a server of an entry in the format of this plugin's `servers` (`type: websocket` may stand in it), to be registered by the
   * caller. `owner`: id of the only grant that sees it. Throws an Error naming the wrong keys. References are not resolved.
   */
  define(name: string, entry: JsonObject, options?: { readonly owner?: string }): ServerDefinition;
}

export default definePlugin({
  id: 'websocket',
  apiVersion: 1,
  title: 'WebSocket',
  description: 'MCP over WebSocket, both protocol eras: for clients of the proxy, and towards servers',
  wants: ['http'],
  provides: ['websocket'],
  exclusive: true,
  options,
  check: ({ serve, port, host }, { protected: isProtected }) =>
    !serve || port === undefined || isLoopback(host) || isProtected
      ? []
      : [{ result: 'failure', text: `refuses to listen on ${host} without credentials`, advice: hints.REFUSED_BIND }],
  async apply({ board, log, servers, services }, chosen) {
    for (const [name, entry] of Object.entries(chosen.servers))
      if (!entry.disabled) servers.register(defineServer(settingsOf(name, entry), chosen, log));
    let listener: Listener | undefined;
    if (chosen.serve) {
      const http = chosen.port === undefined ? services.find<HttpService>('http') : undefined;
      if (chosen.port === undefined && http === undefined) throw nowhereToListen();
      listener = new Listener({ board, log, options: chosen }, http);
      await listener.start();
      log.info('listening', { url: listener.address.url });
    }
    const service: WebSocketService = {
      address: () => listener?.address,
      get connections() {
        return listener?.size ?? 0;
      },
      define(name, entry, { owner } = {}) {
        const checked = entrySchema.safeParse(entry);
        if (!checked.success) throw new Error(checked.error.issues.map(describeIssue).join('; '));
        return { ...defineServer(settingsOf(name, checked.data), chosen, log), owner };
      },
    };
    services.provide('websocket', service);
    // Connections to servers are the core's: it closes those of servers it no longer has, and goes on with the others.
    return () => listener?.stop();
  },
});

function nowhereToListen(): Error {
  return new PlugboardError(
    'CANNOT_LISTEN',
    'websocket: there is no listener to share: add the plugin `http`, give this one a `port`, or say `serve: false`',
  );
}

function describeIssue({ path, message }: { path: PropertyKey[]; message: string }): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
}
