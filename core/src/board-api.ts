// What the proxy offers to transports and to management plugins. The board implements it; nothing else does.
import type { Catalogue } from './catalogue.ts';
import type { AuthenticationContext, Credential, Grant } from './grant.ts';
import type {
  Capabilities,
  Implementation,
  JsonObject,
  Prompt,
  Resource,
  ResourceTemplate,
  RpcNotification,
  RpcRequest,
  RpcResponse,
  Tool,
} from './protocol/messages.ts';
import type { Reply, Session } from './session.ts';

/** What a transport tells when an old-era client sends `initialize`. */
export interface OpenRequest {
  /** Plugin id of the transport. */
  readonly transport: string;
  readonly grant: Grant;
  /** The one server of the endpoint (`/mcp/<server>`), or undefined for all. */
  readonly server?: string | undefined;
  /** Params of `initialize`. */
  readonly params: JsonObject;
}

/** New era: who sent a request, from its envelope (already validated). */
export interface Envelope {
  readonly protocolVersion: string;
  readonly capabilities: Capabilities;
  readonly clientInfo: Implementation | undefined;
  readonly logLevel: string | undefined;
  /** `mcp-param-*` headers as received, lower-case names. Undefined: the transport has no headers. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** One request of a client on its way; the transport keeps it to cancel it. */
export interface OpenRequestHandle {
  /** The client gave up (old era: `notifications/cancelled`; new era over HTTP: the stream was closed). Nothing is answered afterwards. */
  cancel(reason: string): void;
}

export type ServerState = 'starting' | 'ready' | 'failed' | 'stopped';

/** A server as `plugboard servers` and the management API show it. */
export interface ServerStatus {
  readonly name: string;
  readonly title: string | undefined;
  /** Id of the only grant that sees it; undefined: a common one. */
  readonly owner: string | undefined;
  readonly kind: string;
  readonly plugin: string;
  readonly isolation: string;
  readonly state: ServerState;
  /** Why it failed and what happens next. */
  readonly reason: string | undefined;
  readonly era: string | undefined;
  readonly protocolVersion: string | undefined;
  readonly tools: number;
  /** Tools that are held back because their definition is not the one that was approved. */
  readonly quarantined: number;
  readonly resources: number;
  readonly prompts: number;
  readonly leases: number;
  readonly restarts: number;
}

/** A tool that is held back until somebody approves its definition. */
export interface QuarantinedTool {
  readonly server: string;
  /** As its server describes it now. */
  readonly tool: Tool;
  /** `changed`: another definition was approved; `new`: none was. */
  readonly why: 'changed' | 'new';
}

/** How one selector of a grant stands. */
export interface SelectorReport {
  readonly selector: string;
  /** `ready`: all its tools can be called. `waiting`: its server is starting. `failed`: its server is down. `unmatched`: it stands for nothing. `denied`: all it stands for is denied. */
  readonly state: 'ready' | 'waiting' | 'failed' | 'unmatched' | 'denied';
  /** The tools it stands for, as `server:tool`; at most 1000. */
  readonly tools: readonly string[];
  /** For people: why it is not ready. */
  readonly reason: string | undefined;
  /** For `unmatched`: up to three names that it may have meant. */
  readonly nearest: readonly string[];
}

/** A tool of a toolset: its exposed name, and where it leads. */
export interface ToolEntry {
  /** The name that clients see and call. */
  readonly name: string;
  readonly server: string;
  /** The tool's name at its server. */
  readonly tool: string;
  /** As clients see it, except for `name`. */
  readonly definition: Tool;
}

/** A resource or a template of a list. */
export interface ResourceEntry {
  /** The URI or URI template. */
  readonly name: string;
  readonly server: string;
  readonly definition: Resource | ResourceTemplate;
}

/** A prompt of a list: its exposed name, and where it leads. */
export interface PromptEntry {
  readonly name: string;
  readonly server: string;
  readonly prompt: string;
  readonly definition: Prompt;
}

export interface BoardApi {
  /** The proxy's own name, by which clients prefix tools: `mcp__<name>__`. */
  readonly name: string;
  /** The grant of a credential. Throws `Unauthorized` when it is refused; a credential that nobody knows is refused, not ignored. */
  authenticate(credential: Credential, context: AuthenticationContext): Grant | Promise<Grant>;
  /** True when callers need a credential to see anything: transports refuse to bind beyond loopback otherwise. */
  readonly protected: boolean;
  /** True when a server of that name is visible to the grant (running or not). */
  hasServer(grant: Grant, server: string): boolean;

  /** Old era: answers `initialize`. Throws a `RefusedRequest` when a cap is reached or a plugin refuses. */
  open(request: OpenRequest): Promise<{ session: Session; result: JsonObject }>;
  /** New era: the session that stands for a grant on a transport and endpoint; created at its first request. */
  stateless(transport: string, grant: Grant, server?: string): Session | Promise<Session>;
  /** Routes one request; `reply.answer` is called exactly once unless it is cancelled. Never throws. `envelope` is there in the new era only. */
  handle(session: Session, request: RpcRequest, reply: Reply, envelope?: Envelope): OpenRequestHandle;
  /** A notification of the client. `notifications/cancelled` is matched against the session's open requests. */
  notify(session: Session, notification: RpcNotification): void;
  /** The client's response to something it was asked. */
  deliver(session: Session, response: RpcResponse): void;
  /** Ends a session: open calls are cancelled, its leases are released. */
  close(session: Session, reason: string): Promise<void>;

  readonly sessions: ReadonlyMap<string, Session>;
  /** All common servers, in configuration order; with a grant, also those that only it has. */
  servers(grant?: Grant): ServerStatus[];
  /** The toolset of a grant, as its clients list it. */
  tools(grant: Grant, server?: string): Promise<readonly ToolEntry[]>;
  /** The grant of callers without a credential. */
  readonly defaultGrant: Grant;
  /** Named grants of the configuration. */
  readonly grants: ReadonlyMap<string, Grant>;
  /** Say that a grant's rules changed: its toolsets are rebuilt and its sessions told. */
  grantChanged(grant: Grant): void;
  /** Say that a grant is no longer valid: its sessions end, its connections are closed. Refusing its credential is its owner's business. */
  endGrant(grant: Grant, reason: string): Promise<void>;
  /** How each `allow` selector of a grant stands: which tools it stands for and whether they can be called now. */
  inspect(grant: Grant): SelectorReport[];
  /** What a server offers now (while it is down: what it offered last); undefined when there is none of that name for the grant. */
  catalogue(server: string, grant?: Grant): Catalogue | undefined;
  /** The tools that are held back at the common servers. */
  quarantined(): QuarantinedTool[];
  /** Stops a server until it is started again; open calls may end first. Throws when there is none. */
  stopServer(name: string): Promise<void>;
  startServer(name: string): void;
  /** Selectors of the configuration that match nothing, each with the nearest names. */
  warnings(): string[];
}
