// The listener of its own, for the option `port`: binding, limits against slow clients, the end. What it serves is handed to it.
import { createServer, STATUS_CODES } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { cannotListen } from 'plugboard';
import type { Log } from 'plugboard';
import { problemType } from './problems.ts';

export interface ListenerOptions {
  readonly host: string;
  readonly port: number;
  /** ms for a whole request to arrive. */
  readonly requestTimeout: number;
}

/** Bytes of headers that a request may have. */
const maxHeaderSize = 16_384;

/** Connections at a time. */
const maxConnections = 1000;

/** What Node refuses before there is a request. */
const refusals: Readonly<Record<string, readonly [status: number, code: string, detail: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers-too-large', `The headers are larger than ${maxHeaderSize} bytes.`],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request-timeout', 'The request did not arrive in time; send it faster.'],
};

/** A listening server. */
export class Listener {
  readonly server: Server;
  readonly #host: string;

  private constructor(server: Server, host: string) {
    this.server = server;
    this.#host = host;
  }

  /** Listens. Rejects with what to do about it when that is not possible. */
  static async listen(
    handler: RequestListener,
    { host, port, requestTimeout }: ListenerOptions,
    log: Log,
  ): Promise<Listener> {
    const server = createServer(
      {
        maxHeaderSize,
        requestTimeout,
        headersTimeout: Math.min(20_000, requestTimeout),
        connectionsCheckingInterval: Math.max(50, Math.min(5000, requestTimeout / 4)),
      },
      handler,
    );
    server.maxConnections = maxConnections;
    server.on('clientError', refuse);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(cannotListen('admin', error, host, port)));
      server.listen({ host, port }, resolve);
    });
    server.removeAllListeners('error').on('error', (error) => log.error('the listener failed', { error }));
    return new Listener(server, host);
  }

  /** `http://127.0.0.1:8808`, as this machine reaches it. */
  get origin(): string {
    const { port } = this.server.address() as AddressInfo;
    const reached = this.#host === '0.0.0.0' || this.#host === '::' ? 'localhost' : this.#host;
    return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
  }

  /** From now on nobody connects; the port is free at once. */
  refuseNew(): void {
    this.server.close();
    this.server.closeIdleConnections();
  }

  /** Ends what is still connected. */
  closeAll(): void {
    this.server.closeAllConnections();
  }
}

/** Answers what was no request at all. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, code, detail] = refusals[error.code ?? ''] ?? [400, 'request-malformed', 'This is no HTTP request.'];
  const title = STATUS_CODES[status] ?? 'Error';
  const body = JSON.stringify({ type: `urn:plugboard:problem:${code}`, title, status, detail, code });
  const headers = [
    `HTTP/1.1 ${status} ${title}`,
    `Content-Type: ${problemType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ];
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
}
