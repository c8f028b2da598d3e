// From an upgrade to a connection, with the checks in one order: running, bound safely, Host and Origin, path, URL, subprotocol, identity, caps.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { HostCheck, isDenied, isLoopback, isUnauthorized, RefusedRequest } from 'plugboard';
import type { AuthenticationContext, Grant } from 'plugboard';
import type { WebSocketServer } from 'ws';
import { transportId } from './admission.ts';
import { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import type { Context } from './context.ts';
import { credentialOf, offered, subprotocol } from './credential.ts';
import { refuse } from './refusal.ts';
import type { Refusal } from './refusal.ts';

const busy: readonly string[] = ['Retry-After', '5'];

const forbidden = {
  host: 'the Host header names another host; the option `allowedHosts` adds one',
  origin: 'connections from this Origin are refused; the option `allowedOrigins` adds one',
} as const;

/** An endpoint: all servers, or the one named. */
interface Endpoint {
  readonly server: string | undefined;
  readonly hasQuery: boolean;
}

export class Gate {
  /** Set when the transport stops: nobody gets in any more. */
  closed = false;
  readonly #context: Context;
  readonly #connections: Connections;
  readonly #hosts: HostCheck;
  readonly #needsProtection: boolean;
  #sockets: Promise<WebSocketServer> | undefined;

  /** `host`: the address that is listened on. */
  constructor(context: Context, connections: Connections, host: string) {
    const { allowedHosts, allowedOrigins } = context.options;
    this.#context = context;
    this.#connections = connections;
    // Nothing keeps a page from reading what a WebSocket answers, so unlike over HTTP no other page of this machine is let in either.
    this.#hosts = new HostCheck({ host, allowedHosts, allowedOrigins });
    this.#needsProtection = !isLoopback(host);
  }

  /** True for a path of this transport. */
  serves(url: string | undefined): boolean {
    return this.#endpointOf(url) !== undefined;
  }

  /** Serves one upgrade. Never throws. */
  admit(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const endpoint = this.#endpointOf(request.url);
    const refusal = endpoint === undefined ? notFound(this.#context) : this.#refusal(request, endpoint);
    if (refusal !== undefined || endpoint === undefined) {
      refuse(socket, refusal ?? notFound(this.#context));
      return;
    }
    const release = this.#connections.reserve();
    if (release === undefined) {
      refuse(socket, {
        status: 503,
        text: 'The proxy has as many connections as it may have; try again later',
        headers: busy,
      });
      return;
    }
    socket.once('close', release);
    this.#identify(request, socket, head, endpoint).catch((error: unknown) => {
      this.#context.log.error('a connection failed inside the proxy', { error });
      refuse(socket, { status: 500, text: 'Internal error of the proxy; its log has the cause' });
    });
  }

  #refusal(request: IncomingMessage, endpoint: Endpoint): Refusal | undefined {
    if (this.closed) return { status: 503, text: 'The proxy is stopping', headers: busy };
    if (this.#needsProtection && !this.#context.board.protected)
      return { status: 503, text: 'The proxy serves nobody beyond loopback until callers need a credential' };
    const fault = this.#hosts.fault(request.headers);
    if (fault !== undefined) return { status: 403, text: `Forbidden: ${forbidden[fault]}` };
    if (endpoint.hasQuery)
      return {
        status: 400,
        text: `The URL takes no query. A token is sent as Authorization: Bearer …, or by browsers as the subprotocol bearer.<base64url of the token> beside ${subprotocol}`,
      };
    if (!offered(request).includes(subprotocol))
      return { status: 400, text: `Offer the subprotocol ${subprotocol} (Sec-WebSocket-Protocol: ${subprotocol})` };
    return undefined;
  }

  async #identify(request: IncomingMessage, socket: Socket, head: Buffer, { server }: Endpoint): Promise<void> {
    const { board, log } = this.#context;
    const peer: AuthenticationContext = { transport: transportId, remoteAddress: socket.remoteAddress };
    const credential = credentialOf(request);
    let grant: Grant;
    try {
      if (credential === undefined) return refuse(socket, unauthorized(true));
      grant = await board.authenticate(credential, peer);
    } catch (error) {
      return refuse(socket, this.#explain(error, credential?.kind === 'bearer'));
    }
    // It may have left, or the transport may have stopped, while plugins were asked.
    if (socket.destroyed) return undefined;
    if (this.closed) return refuse(socket, { status: 503, text: 'The proxy is stopping', headers: busy });
    if (server !== undefined && !board.hasServer(grant, server)) return refuse(socket, notFound(this.#context));
    const release = this.#connections.reserveOf(grant.id);
    if (release === undefined) {
      const text = 'This caller has as many connections as it may have; close one, or try again later';
      return refuse(socket, { status: 429, text, headers: busy });
    }
    socket.once('close', release);
    const sockets = await this.#server();
    sockets.handleUpgrade(request, socket, head, (ws) => {
      const { clock } = this.#connections;
      const connection = new Connection(this.#context, {
        ws,
        socket,
        credential,
        peer,
        grantId: grant.id,
        server,
        clock,
      });
      this.#connections.add(connection);
      log.debug('a client has connected', { grant: grant.id, server });
    });
    return undefined;
  }

  /** The library, loaded with the first client. */
  #server(): Promise<WebSocketServer> {
    this.#sockets ??= import('./sockets.ts').then(({ createSockets }) =>
      createSockets(this.#context.options.maxMessageBytes),
    );
    return this.#sockets;
  }

  #explain(error: unknown, sent: boolean): Refusal {
    if (error instanceof RefusedRequest)
      return { status: error.answer.status ?? 403, text: error.answer.message.error?.message ?? 'Refused' };
    if (isUnauthorized(error)) return unauthorized(sent);
    if (isDenied(error)) return { status: 403, text: error.message };
    this.#context.log.error('authentication failed to run', { error });
    return { status: 500, text: 'Internal error of the proxy; its log has the cause' };
  }

  #endpointOf(url = '/'): Endpoint | undefined {
    const { path: base } = this.#context.options;
    const query = url.indexOf('?');
    const path = query < 0 ? url : url.slice(0, query);
    if (path === base) return { server: undefined, hasQuery: query >= 0 };
    if (!path.startsWith(`${base}/`)) return undefined;
    const server = path.slice(base.length + 1);
    return /^[A-Za-z0-9_-]{1,40}$/.test(server) ? { server, hasQuery: query >= 0 } : undefined;
  }
}

function notFound({ options: { path } }: Context): Refusal {
  return { status: 404, text: `Not found; MCP over WebSocket is served at ${path} and ${path}/<server>` };
}

/** Says nothing of the credential. */
function unauthorized(sent: boolean): Refusal {
  return {
    status: 401,
    text: sent ? 'Unauthorized: the credential is not valid' : 'Unauthorized: send a token as Authorization: Bearer …',
    headers: ['WWW-Authenticate', sent ? 'Bearer error="invalid_token"' : 'Bearer'],
  };
}
