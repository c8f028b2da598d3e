// What a server plugin gives the core: a server that can be opened, and the connection it opens. Types only.
import type {
  Capabilities,
  Era,
  Implementation,
  JsonObject,
  RpcNotification,
  RpcRequest,
  RpcResponse,
} from './protocol/messages.ts';
import type { Grant } from './grant.ts';
import type { UpstreamCall } from './upstream-call.ts';

/** What a server said of itself when it was opened (`initialize` or `server/discover`). */
export interface ServerInfo {
  readonly protocolVersion: string;
  readonly capabilities: Capabilities;
  readonly serverInfo: Implementation;
  readonly instructions?: string | undefined;
}

/**
 * Who a connection is for. `catalogue` connections only list (they live as long as the server); `shared` serves everybody,
 * `task` one grant, `session` one session of one grant.
 */
export interface LeaseKey {
  readonly kind: 'catalogue' | 'shared' | 'task' | 'session';
  /** Identifies the lease among those of one server; safe to log. */
  readonly id: string;
  /** Id of the session that it ends with; only of kind `session`. */
  readonly session?: string | undefined;
  /** Id of the grant (`default`, `grant:alice`, `task:7`); undefined for `catalogue` and `shared`. */
  readonly grant: string | undefined;
  /** The grant's own folder, for servers that work on files; undefined: theirs. */
  readonly workspace?: string | undefined;
  /** What the client can do, as an old-era server is told in `initialize`. */
  readonly capabilities: Capabilities;
  readonly clientInfo: Implementation | undefined;
}

/** What the core hears from an open connection. Never call these before `open` has resolved. */
export interface ConnectionEvents {
  /** A notification that belongs to no call: `list_changed`, `resources/updated`, a log message. */
  notification(message: RpcNotification): void;
  /**
   * Old era: a request of the server that belongs to no call (e.g. `roots/list` after start). Always resolves. Abort `withdrawn`, with the
   * server's reason, when the server takes the request back; what it resolves with is for nobody then.
   */
  request(message: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse>;
  /** The connection ended and nobody asked it to. Open calls have been failed before. Called at most once. Its words: see {@link ServerDefinition.open}. */
  closed(reason: Error): void;
}

/** Which change notices a new-era server shall send (2026-07-28, `subscriptions/listen`). */
export interface ListenFilter extends JsonObject {
  toolsListChanged?: boolean;
  promptsListChanged?: boolean;
  resourcesListChanged?: boolean;
  resourceSubscriptions?: string[];
}

/** An open connection to one server, ready for calls (the handshake is over). */
export interface Connection {
  /** The era the server speaks on this connection; calls are handed over in that era's shape. */
  readonly era: Era;
  readonly info: ServerInfo;
  /** New era: true when this connection has a server process of its own, whose change notices no other connection hears. */
  readonly separate?: boolean | undefined;
  /** Sends a call; ends it by `call.resolve` or `call.fail`. Must not throw. */
  send(call: UpstreamCall): void;
  /** Sends a notification of the client (old era). */
  notify(method: string, params?: JsonObject): void;
  /** New era: replaces the set of change notices; they arrive as `notification` events without a subscription id. */
  listen(filter: ListenFilter): void;
  /** Ends the connection; open calls fail. Resolves when processes and sockets are gone. */
  close(): Promise<void>;
}

/** A server as a plugin registers it. */
export interface ServerDefinition {
  /** The configured id: prefix of tool names, selector, path `/mcp/<name>`. Matches `[A-Za-z0-9_-]{1,40}`. */
  readonly name: string;
  readonly title?: string | undefined;
  /** One word for lists: `stdio`, `http`, `in-process`. */
  readonly kind: string;
  /** False when the server never asks its clients anything: clients that could be asked need no connection of their own. Default true. */
  readonly asks?: boolean | undefined;
  /** Id of the only grant that sees this server; undefined: every grant may. */
  readonly owner?: string | undefined;
  /** Which grants see it, for a common server that is not for everybody. Must always say the same of a grant. */
  readonly visible?: ((grant: Grant) => boolean) | undefined;
  readonly isolation: 'shared' | 'task' | 'session';
  /** Says what the server is made of; a new generation keeps a running server whose fingerprint is the same. No secrets: a hash will do. */
  readonly fingerprint?: string | undefined;
  /** ms; see {@link UpstreamCall}. Undefined: the configured defaults. */
  readonly timeout?: number | undefined;
  readonly maxTimeout?: number | undefined;
  /**
   * Opens a connection. Rejects with an Error whose message says what to do, fit for clients; what a server has said that only operators
   * may read stands in its member `detail`, a string. `signal` aborts the attempt.
   */
  open(key: LeaseKey, events: ConnectionEvents, signal: AbortSignal): Promise<Connection>;
}
