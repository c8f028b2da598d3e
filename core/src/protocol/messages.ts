// The messages of MCP as plain types, and the constants that name them. No behaviour lives here.

/** A parsed JSON object whose members are not yet known. */
export type JsonObject = { [member: string]: unknown };

/** The identifier of a JSON-RPC request (MCP basic protocol: string or number, never null). */
export type RequestId = string | number;

/** The two generations of the protocol: `old` is 2024-11-05 … 2025-11-25 (sessions), `new` is 2026-07-28 (stateless). */
export type Era = 'old' | 'new';

export interface RpcRequest {
  jsonrpc: '2.0';
  id: RequestId;
  method: string;
  params?: JsonObject;
}

export interface RpcNotification {
  jsonrpc: '2.0';
  method: string;
  params?: JsonObject;
}

export interface RpcErrorBody {
  code: number;
  message: string;
  data?: unknown;
}

/** A response: exactly one of `result` and `error` is there. The id is absent only for errors that belong to no request. */
export interface RpcResponse {
  jsonrpc: '2.0';
  id?: RequestId;
  result?: JsonObject;
  error?: RpcErrorBody;
}

export type RpcMessage = RpcRequest | RpcNotification | RpcResponse;

/** A tool as its server describes it; members this code does not know are kept. */
export interface Tool extends JsonObject {
  name: string;
  title?: string;
  description?: string;
  inputSchema: JsonObject;
  outputSchema?: JsonObject;
  annotations?: JsonObject;
  _meta?: JsonObject;
}

export interface Resource extends JsonObject {
  uri: string;
  name: string;
}

export interface ResourceTemplate extends JsonObject {
  uriTemplate: string;
  name: string;
}

export interface Prompt extends JsonObject {
  name: string;
}

/** The result of `tools/call`. */
export interface ToolResult extends JsonObject {
  content: JsonObject[];
  structuredContent?: JsonObject;
  isError?: boolean;
}

export interface Implementation extends JsonObject {
  name: string;
  version: string;
}

/** What a client or a server says it can do; members are the specification's capability names. */
export type Capabilities = { [capability: string]: JsonObject };

/** Revisions of the old era, newest first (each is answered with itself, anything else with the newest). */
export const oldVersions = ['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'] as const;

/** Revisions of the new era. */
export const newVersions = ['2026-07-28'] as const;

/** `_meta` members of the new era (2026-07-28, basic protocol: per-request envelope). */
export const metaKey = {
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
} as const;

/** JSON-RPC and MCP error codes. Plugboard's own answers use only these. */
export const rpcCode = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** The server that should answer is not running, or stopped while it was answering. */
  serverGone: -32000,
  /** No answer within the time limit. */
  timeout: -32001,
  /** Old era: a resource that does not exist. The new era says `invalidParams`. */
  resourceNotFound: -32002,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
  /** Old era: the client must open a URL first (2025-11-25, URL elicitation). */
  urlElicitationRequired: -32042,
} as const;

/** True for a plain JSON object (not an array, not null). */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for a valid request id. */
export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value));
}

/** True when a parsed message is a request: a method and a valid id. */
export function isRequest(message: unknown): message is RpcRequest {
  return isObject(message) && typeof message['method'] === 'string' && isRequestId(message['id']);
}

/** True when a parsed message is a notification: a method and no id. */
export function isNotification(message: unknown): message is RpcNotification {
  return isObject(message) && typeof message['method'] === 'string' && !('id' in message);
}

/** True when a parsed message is a response: a result or an error, no method. */
export function isResponse(message: unknown): message is RpcResponse {
  return (
    isObject(message) && message['method'] === undefined && (isObject(message['result']) || isObject(message['error']))
  );
}

/** The `_meta` of a request's params, if it has one. */
export function metaOf(params: unknown): JsonObject | undefined {
  const meta = isObject(params) ? params['_meta'] : undefined;
  return isObject(meta) ? meta : undefined;
}
