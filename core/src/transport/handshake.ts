// What is said when a server is opened, in both eras, and how its answers are read. No transport lives here.
import { isObject, metaKey, newVersions, oldVersions, rpcCode } from '../protocol/messages.ts';
import type { Capabilities, Implementation, JsonObject, RpcErrorBody, RpcResponse } from '../protocol/messages.ts';
import type { LeaseKey, ServerInfo } from '../connection.ts';
import { UpstreamCall } from '../upstream-call.ts';
import type { Caller } from '../upstream-call.ts';
import { proxyIdentity } from './identity.ts';

/** The newest revision of the new era that is spoken here. */
export const newVersion = newVersions[0];

/** Revisions that `initialize` may be answered with. 2024-10-07 was published before the first numbered one and is still met. */
const acceptedVersions: readonly string[] = [...oldVersions, '2024-10-07'];

/** Thrown when a server turns out not to speak the era it was opened in. */
export class WrongEra extends Error {}

/** Params of `initialize` (2025-11-25, lifecycle). */
export function initializeParams(key: LeaseKey): JsonObject {
  return {
    protocolVersion: oldVersions[0],
    capabilities: key.capabilities,
    clientInfo: key.clientInfo ?? proxyIdentity,
  };
}

/** The envelope of the proxy's own requests (2026-07-28, `_meta`): nobody stands behind them, so they claim no capability. */
export function ownEnvelope(): JsonObject {
  return {
    [metaKey.protocolVersion]: newVersion,
    [metaKey.clientInfo]: proxyIdentity,
    [metaKey.clientCapabilities]: {},
  };
}

/** The proxy as the caller of its own requests. */
export const ownCaller: Caller = {
  era: 'new',
  protocolVersion: newVersion,
  capabilities: {},
  clientInfo: proxyIdentity,
  logLevel: undefined,
};

/** A request of the proxy's own, without a time limit: opening a server has one. */
export function ownCall(method: string, params: JsonObject): UpstreamCall {
  const forEver = Number.POSITIVE_INFINITY;
  return new UpstreamCall({ method, params, caller: ownCaller, timeout: forEver, maxTimeout: forEver });
}

/** Reads the answer to `initialize`. Throws an Error that says what to do. */
export function readInitialize(server: string, response: RpcResponse): ServerInfo {
  if (response.error !== undefined) {
    const { code, message } = response.error;
    const wrong = code === rpcCode.methodNotFound || code === rpcCode.unsupportedVersion;
    const text = `server "${server}" refused to initialize: ${message} (${code})`;
    throw wrong ? new WrongEra(`${text}; try \`era: new\``) : new Error(`${text}; see the server’s own documentation`);
  }
  const result = response.result ?? {};
  const version = result['protocolVersion'];
  if (typeof version !== 'string' || !acceptedVersions.includes(version)) {
    const said = typeof version === 'string' ? `protocol version ${version.slice(0, 40)}` : 'no protocol version';
    throw new Error(
      `server "${server}" answered initialize with ${said}; known are ${acceptedVersions.join(', ')}. Update the server`,
    );
  }
  return serverInfo(server, version, result, result['serverInfo']);
}

/** What the answer to `server/discover` says about a server. */
export type Discovery =
  | { readonly kind: 'new'; readonly info: ServerInfo }
  /** The server knows our version and wants to be asked again. */
  | { readonly kind: 'again' }
  | { readonly kind: 'old'; readonly error: RpcErrorBody | undefined }
  /** The server is of the new era, but speaks no version we know. */
  | { readonly kind: 'unknown'; readonly versions: string };

/** Reads the answer to `server/discover` (2026-07-28, discovery). Everything that does not name a new revision is the old era. */
export function readDiscovery(server: string, response: RpcResponse): Discovery {
  const { error, result } = response;
  if (error !== undefined) {
    const supported =
      error.code === rpcCode.unsupportedVersion && isObject(error.data) ? stringsOf(error.data['supported']) : [];
    if (supported.includes(newVersion)) return { kind: 'again' };
    const later = supported.filter((version) => version >= newVersions[newVersions.length - 1]!);
    return later.length > 0 ? { kind: 'unknown', versions: later.join(', ') } : { kind: 'old', error };
  }
  const supported = stringsOf(result?.['supportedVersions']);
  if (result === undefined || !supported.includes(newVersion)) return { kind: 'old', error: undefined };
  const meta = isObject(result['_meta']) ? result['_meta'] : {};
  return {
    kind: 'new',
    info: serverInfo(server, newVersion, result, meta[metaKey.serverInfo] ?? result['serverInfo']),
  };
}

/** The error for a server that speaks only versions not known here: what {@link readDiscovery} calls `unknown`. */
export function unknownVersions(server: string, versions: string): Error {
  return new Error(`server "${server}" speaks only protocol versions not known here (${versions}); update the proxy`);
}

/** The error for a server that must be of the new era, and is not. */
export function notNew(server: string): WrongEra {
  return new WrongEra(`server "${server}" does not speak ${newVersion}; configure \`era: old\` or leave it out`);
}

/** True for an error with which a server says "I do not know this request"; it has not lost its footing. */
export function isPoliteRefusal(error: RpcErrorBody | undefined): boolean {
  return error !== undefined && politeCodes.has(error.code);
}

const politeCodes = new Set<number>([rpcCode.methodNotFound, rpcCode.invalidParams, rpcCode.invalidRequest]);

function serverInfo(server: string, protocolVersion: string, result: JsonObject, proxyIdentity: unknown): ServerInfo {
  const { capabilities, instructions } = result;
  return {
    protocolVersion,
    capabilities: isObject(capabilities) ? (capabilities as Capabilities) : {},
    serverInfo: implementation(server, proxyIdentity),
    instructions: typeof instructions === 'string' ? instructions : undefined,
  };
}

function implementation(server: string, value: unknown): Implementation {
  if (!isObject(value) || typeof value['name'] !== 'string') return { name: server, version: 'unknown' };
  return {
    ...value,
    name: value['name'],
    version: typeof value['version'] === 'string' ? value['version'] : 'unknown',
  };
}

function stringsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}
