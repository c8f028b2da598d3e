// Where upgrades come from: the listener of the plugin `http`, or one of this plugin's own. What becomes of them: `gate.ts`.
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { cannotListen, isLoopback, PlugboardError, urlHost } from 'plugboard';
import { Connections } from './connections.ts';
import type { Context } from './context.ts';
import { Gate } from './gate.ts';
import { giveBack } from './give-back.ts';
import { refuse } from './refusal.ts';

/** The part of the service `http` that is used here. */
export interface HttpService {
  address(): { readonly host: string; readonly port: number };
  readonly server: Server;
}

/** Where clients connect. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** URL of the endpoint for all servers. */
  readonly url: string;
}

/** ms that clients of the shared listener have when its owner stops it without a word. */
const shortDrain = 1000;

export class Listener {
  readonly #context: Context;
  readonly #http: HttpService | undefined;
  readonly #server: Server;
  readonly #host: string;
  readonly #connections: Connections;
  readonly #gate: Gate;
  #leaving: Promise<void> | undefined;

  /** `http`: the listener to share; undefined: one of its own. */
  constructor(context: Context, http: HttpService | undefined) {
    this.#context = context;
    this.#http = http;
    this.#server = http?.server ?? ownServer();
    this.#host = http === undefined ? context.options.host : http.address().host;
    this.#connections = new Connections(context, () => this.#followOwner());
    this.#gate = new Gate(context, this.#connections, this.#host);
  }

  get address(): Address {
    const { port } = this.#server.address() as AddressInfo;
    const reached = this.#host === '0.0.0.0' || this.#host === '::' ? 'localhost' : this.#host;
    return { host: this.#host, port, url: `ws://${urlHost(reached)}:${port}${this.#context.options.path}` };
  }

  /** Connections of clients that are open. */
  get size(): number {
    return this.#connections.size;
  }

  /** Begins to serve. Throws when that would be unsafe or is not possible, with what to do about it. */
  async start(): Promise<void> {
    if (this.#http === undefined) {
      try {
        await this.#listen();
      } catch (error) {
        this.#connections.stop();
        throw error;
      }
    }
    this.#server.on('upgrade', this.#onUpgrade);
  }

  /** Stops: nobody new gets in; calls under way have `drain` ms to end; then everything is closed. */
  async stop(): Promise<void> {
    await this.#leave(this.#context.options.drain);
    this.#connections.stop();
    if (this.#http !== undefined) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  readonly #onUpgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    const isWebSocket = request.headers.upgrade?.toLowerCase() === 'websocket';
    if (!isWebSocket && this.#http !== undefined) {
      // Somebody offers another protocol, as some clients of HTTP do with every first request: it is a request like any other.
      if (this.#server.listenerCount('upgrade') === 1) giveBack(this.#server, request, socket, head);
      return;
    }
    // Another plugin may serve it.
    if (!this.#gate.serves(request.url) && this.#server.listenerCount('upgrade') > 1) return;
    socket.on('error', ignore);
    if (isWebSocket) this.#gate.admit(request, socket, head);
    else refuse(socket, { status: 426, text: 'Only WebSocket is served here', headers: ['Upgrade', 'websocket'] });
  };

  /** The owner of a shared listener waits, when it stops, for every connection on it, and does not know of ours. */
  #followOwner(): void {
    if (this.#http !== undefined && !this.#server.listening) void this.#leave(shortDrain);
  }

  #leave(limit: number): Promise<void> {
    this.#leaving ??= (async () => {
      this.#gate.closed = true;
      await this.#connections.drain('the proxy is stopping', limit);
      this.#server.off('upgrade', this.#onUpgrade);
    })();
    return this.#leaving;
  }

  async #listen(): Promise<void> {
    const { board, log, options } = this.#context;
    const { host, port } = options;
    if (!isLoopback(host)) this.#refuseUnprotected(host);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (error) => reject(cannotListen('websocket', error, host, port ?? 0)));
      this.#server.listen({ host, port }, resolve);
    });
    this.#server.removeAllListeners('error');
    this.#server.on('error', (error) => log.error('the listener failed', { error }));
    const { address } = this.#server.address() as AddressInfo;
    if (!isLoopback(host) || isLoopback(address) || board.protected) return;
    this.#server.close();
    this.#refuseUnprotected(`${host} (${address})`);
  }

  #refuseUnprotected(host: string): void {
    if (this.#context.board.protected) return;
    throw new PlugboardError(
      'REFUSED_BIND',
      `websocket: refused to listen on ${host}: whoever reaches that address could call every tool`,
    );
  }
}

/** A server whose requests must all be upgrades. */
function ownServer(): Server {
  const server = createServer({
    headersTimeout: 20_000,
    requestTimeout: 20_000,
    maxHeaderSize: 16_384,
    keepAlive: true,
  });
  return server.on('request', (_request, response) => {
    response.writeHead(426, { 'Content-Type': 'text/plain', Upgrade: 'websocket', Connection: 'close' });
    response.end('Only WebSocket is served here\n');
  });
}

function ignore(): void {}
