// The listening socket: binding, its limits against slow and greedy clients, and the graceful end.
import { createServer, type Server } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { cannotListen, isLoopback, PlugboardError, urlHost } from 'plugboard';
import type { Context } from './context.ts';
import type { Router } from './router.ts';

/** Where the transport listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** URL of the endpoint for all servers. */
  readonly url: string;
}

/** Bytes of headers that a request may have. */
const maxHeaderSize = 16_384;

/** Pause between looks at what is still under way while stopping, in ms. */
const drainPause = 20;

export class Listener {
  readonly server: Server;
  readonly #context: Context;
  readonly #router: Router;

  constructor(context: Context, router: Router) {
    this.#context = context;
    this.#router = router;
    const { headersTimeout, requestTimeout, keepAliveTimeout, maxConnections } = context.options;
    this.server = createServer({
      headersTimeout: Math.min(headersTimeout, requestTimeout),
      requestTimeout,
      keepAliveTimeout,
      connectionsCheckingInterval: Math.max(50, Math.min(5000, headersTimeout / 4)),
      maxHeaderSize,
      // A peer that vanished without a word is found by the kernel's probes, though nothing is sent to it.
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    });
    this.server.maxConnections = maxConnections;
    this.server.on('request', router.serve);
    this.server.on('checkContinue', router.serveExpecting);
  }

  get address(): Address {
    const { host, path } = this.#context.options;
    const { port } = this.server.address() as AddressInfo;
    const reached = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
    return { host, port, url: `http://${urlHost(reached)}:${port}${path}` };
  }

  /** Starts to listen. Throws when that would be unsafe or is not possible, with what to do about it. */
  async listen(): Promise<void> {
    const { board, options } = this.#context;
    const { host, port } = options;
    if (!isLoopback(host)) this.#refuseUnprotected(host);
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', (error) => reject(cannotListen('http', error, host, port)));
      this.server.listen({ host, port }, resolve);
    });
    this.server.removeAllListeners('error');
    this.server.on('error', (error) => this.#context.log.error('the listener failed', { error }));
    const { address } = this.server.address() as AddressInfo;
    if (!isLoopback(host) || isLoopback(address) || board.protected) return;
    this.server.close();
    this.#refuseUnprotected(`${host} (${address})`);
  }

  #refuseUnprotected(host: string): void {
    if (this.#context.board.protected) return;
    throw new PlugboardError(
      'REFUSED_BIND',
      `http: refused to listen on ${host}: whoever reaches that address could call every tool`,
    );
  }

  /** Stops: no new connections or calls; calls under way have `drain` ms to end; then everything is closed. */
  async stop(): Promise<void> {
    const { options, clock } = this.#context;
    const { sessions, newEra } = this.#router;
    this.#router.draining = true;
    const closed = new Promise<void>((resolve) => {
      // Not the method of http.Server: that one cuts off answers which their clients have not finished reading.
      NetServer.prototype.close.call(this.server, () => resolve());
    });
    const reason = 'the proxy is stopping';
    sessions.hangUp();
    newEra.hangUp(reason);
    const deadline = performance.now() + options.drain;
    while (this.#busy && performance.now() < deadline) await sleep(drainPause);
    newEra.abandon(reason);
    await sessions.closeAll(reason);
    while (this.#context.responder.unread.size > 0 && performance.now() < deadline) await sleep(drainPause);
    clock.stop();
    this.server.closeAllConnections();
    await closed;
  }

  get #busy(): boolean {
    return this.#router.sessions.calls > 0 || this.#router.newEra.calls.size > 0;
  }
}
