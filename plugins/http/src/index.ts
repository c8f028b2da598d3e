// The plugin: puts its parts together. Each part is a file of its own.
import { definePlugin, hints, isLoopback } from 'plugboard';
import { Clock } from './clock.ts';
import { type Address, Listener } from './listener.ts';
import type { MountHandler } from './mounts.ts';
import { options } from './options.ts';
import { Responder } from './responder.ts';
import { Router } from './router.ts';
import type { Server } from 'node:http';

export type { Address } from './listener.ts';
export type { MountHandler } from './mounts.ts';

/** The service `http`: where the transport listens, and a place on its listener for other plugins. */
export interface HttpService {
  address(): Address;
  readonly server: Server;
  /**
   * Serves a path, and everything below it, by `handler`, after the checks of Host and Origin. Credentials are the handler's business.
   * Returns a function that takes the path back. Throws when it is taken.
   */
  mount(path: string, handler: MountHandler): () => void;
}

export default definePlugin({
  id: 'http',
  apiVersion: 1,
  title: 'Streamable HTTP',
  description: 'Serves MCP clients over Streamable HTTP, both protocol eras on one URL',
  provides: ['http'],
  // One port, one listener; and stopped first, so that calls under way can end while their servers still run.
  exclusive: true,
  options,
  check: ({ host }, { protected: isProtected }) =>
    isLoopback(host) || isProtected
      ? []
      : [{ result: 'failure', text: `refuses to listen on ${host} without credentials`, advice: hints.REFUSED_BIND }],
  async apply({ board, log, services }, chosen) {
    const { streamAfter, keepAlive, grace, idleTimeout } = chosen;
    const clock = new Clock([streamAfter, keepAlive, grace, idleTimeout]);
    const context = { board, log, options: chosen, responder: new Responder(chosen.stallTimeout), clock };
    const router = new Router(context);
    const listener = new Listener(context, router);
    try {
      await listener.listen();
    } catch (error) {
      clock.stop();
      throw error;
    }
    const service: HttpService = {
      address: () => listener.address,
      server: listener.server,
      mount: (path, handler) => router.mounts.add(path, handler),
    };
    services.provide('http', service);
    log.info('listening', { url: listener.address.url });
    return () => listener.stop();
  },
});
