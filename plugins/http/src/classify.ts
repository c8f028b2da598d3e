// Which era a POST belongs to, by its body first, and whether its headers and its envelope agree (2026-07-28, transports and basic protocol).
// What only the tool's schema can tell (`Mcp-Param-*`) is judged by the board.
import { Buffer } from 'node:buffer';
import { isObject, metaKey, metaOf, newVersions, rpcCode } from 'plugboard';
import type { JsonObject, RpcNotification, RpcRequest } from 'plugboard';

/** A refusal with everything its answer needs. */
export interface Rejection {
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** The headers that repeat what the body says. */
export interface StandardHeaders {
  readonly version: string | undefined;
  readonly method: string | undefined;
  readonly name: string | undefined;
}

export type Verdict = 'old' | 'new' | Rejection;

const firstNewVersion = newVersions[0];
const supported: readonly string[] = newVersions;
const logLevels = new Set(['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']);
/** Capabilities whose form the specification fixes; any client may have others. */
const knownCapabilities = ['experimental', 'sampling', 'elicitation', 'roots', 'extensions'];
const requiredKeys = [metaKey.protocolVersion, metaKey.clientCapabilities];

/** Methods whose `Mcp-Name` header repeats a member of params (SEP-2243; tasks: SEP-2663). */
const nameSources = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

/** Classifies a request. The order of the checks is the order in which they outrank each other. */
export function classifyRequest(request: RpcRequest, headers: StandardHeaders): Verdict {
  const { version } = headers;
  const meta = metaOf(request.params);
  const claims = meta !== undefined && metaKey.protocolVersion in meta;
  const named = version !== undefined && isNew(version);
  if (
    request.method === 'initialize' &&
    !(claims && isNew(meta[metaKey.protocolVersion]) && problemOf(meta) === undefined)
  ) {
    return named
      ? mismatch(
          version,
          'initialize opens a session of an earlier revision than the MCP-Protocol-Version header names',
        )
      : 'old';
  }
  if (!claims) return named ? missingEnvelope(version, meta) : 'old';
  const problem = problemOf(meta);
  if (problem !== undefined) return badEnvelope(problem);
  return (
    checkClaim(meta[metaKey.protocolVersion] as string, request.method, headers) ??
    checkPresence(request, headers) ??
    'new'
  );
}

/** Classifies a notification; these need neither an envelope nor headers. */
export function classifyNotification(notification: RpcNotification, headers: StandardHeaders): Verdict {
  const meta = metaOf(notification.params);
  if (meta !== undefined && metaKey.protocolVersion in meta) {
    const claimed = meta[metaKey.protocolVersion];
    if (typeof claimed !== 'string') return badEnvelope({ key: metaKey.protocolVersion, problem: 'not a string' });
    return checkClaim(claimed, notification.method, headers) ?? 'new';
  }
  if (headers.version === undefined || !isNew(headers.version)) return 'old';
  return checkClaim(headers.version, notification.method, headers) ?? 'new';
}

/** True when a message claims the envelope of the new era, well-formed or not. */
export function claimsEnvelope(message: unknown): boolean {
  const meta = isObject(message) ? metaOf(message['params']) : undefined;
  return meta !== undefined && metaKey.protocolVersion in meta;
}

/** True for a revision of the new era, known or not. */
export function isNew(version: unknown): version is string {
  return typeof version === 'string' && version >= firstNewVersion;
}

/** The value of a header that may be written as `=?base64?…?=`; undefined when that form is not canonical. */
export function decodeHeader(value: string): string | undefined {
  if (!(value.startsWith('=?base64?') && value.endsWith('?='))) return value;
  const text = value.slice(9, -2);
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64') !== text) return undefined;
  const decoded = bytes.toString('utf8');
  return Buffer.from(decoded).equals(bytes) ? decoded : undefined;
}

/** Version and method as the body names them against the headers, then whether the version is served. */
function checkClaim(claimed: string, method: string, headers: StandardHeaders): Rejection | undefined {
  if (headers.version !== undefined && headers.version !== claimed) {
    return mismatch(
      headers.version,
      `the body names protocol version ${quote(claimed)}, the MCP-Protocol-Version header another one`,
    );
  }
  if (headers.method !== undefined && headers.method !== method) {
    return mismatch(headers.method, `the body names method ${quote(method)}, the Mcp-Method header another one`);
  }
  if (supported.includes(claimed)) return undefined;
  const message = `Unsupported protocol version: ${quote(claimed)}`;
  return {
    status: 400,
    code: rpcCode.unsupportedVersion,
    message,
    data: { supported: [...supported], requested: claimed },
  };
}

/** Headers that every request must have, and the name it is about. */
function checkPresence(request: RpcRequest, headers: StandardHeaders): Rejection | undefined {
  if (headers.version === undefined) return mismatch('(missing)', 'the MCP-Protocol-Version header is missing');
  if (headers.method === undefined) return mismatch('(missing)', 'the Mcp-Method header is missing');
  const source = nameSources.get(request.method);
  if (source === undefined) return undefined;
  const value = request.params?.[source];
  const name = typeof value === 'string' ? value : undefined;
  if (headers.name === undefined) {
    return name === undefined
      ? undefined
      : mismatch('(missing)', `the Mcp-Name header, which repeats params.${source}, is missing`);
  }
  const decoded = decodeHeader(headers.name);
  if (decoded === undefined) return mismatch(headers.name, 'the Mcp-Name header is not valid base64');
  if (name === undefined || name === decoded) return undefined;
  return mismatch(
    headers.name,
    `the body says params.${source} is ${quote(name)}, the Mcp-Name header says ${quote(decoded)}`,
  );
}

interface Problem {
  readonly key: string;
  readonly problem: string;
}

/** What is wrong with an envelope, missing members first. */
function problemOf(meta: JsonObject): Problem | undefined {
  for (const key of requiredKeys) if (!(key in meta)) return { key, problem: 'missing' };
  if (typeof meta[metaKey.protocolVersion] !== 'string')
    return { key: metaKey.protocolVersion, problem: 'not a string' };
  const capabilities = meta[metaKey.clientCapabilities];
  if (!isObject(capabilities)) return { key: metaKey.clientCapabilities, problem: 'not an object' };
  for (const name of knownCapabilities) {
    const value = capabilities[name];
    if (value !== undefined && !isObject(value))
      return { key: `${metaKey.clientCapabilities}.${name}`, problem: 'not an object' };
  }
  const info = meta[metaKey.clientInfo];
  if (
    info !== undefined &&
    !(isObject(info) && typeof info['name'] === 'string' && typeof info['version'] === 'string')
  ) {
    return { key: metaKey.clientInfo, problem: 'not an object with name and version' };
  }
  const level = meta[metaKey.logLevel];
  if (level !== undefined && !logLevels.has(level as string))
    return { key: metaKey.logLevel, problem: 'not a log level' };
  const token = meta['progressToken'];
  const isToken = token === undefined || typeof token === 'string' || Number.isSafeInteger(token);
  return isToken ? undefined : { key: 'progressToken', problem: 'neither a string nor an integer' };
}

function badEnvelope(envelope: Problem): Rejection {
  const message = `Invalid _meta envelope: ${envelope.key}: ${envelope.problem}`;
  return { status: 400, code: rpcCode.invalidParams, message, data: { envelope } };
}

function missingEnvelope(version: string, meta: JsonObject | undefined): Rejection {
  const missing = meta === undefined ? ['_meta'] : requiredKeys.filter((key) => !(key in meta));
  const message = `Invalid params: protocol version ${quote(version)} needs an envelope in params._meta; missing: ${missing.join(', ')}`;
  return { status: 400, code: rpcCode.invalidParams, message, data: { envelope: { missing } } };
}

function mismatch(header: string, body: string): Rejection {
  const message = `The request headers and the body disagree: ${body}`;
  return { status: 400, code: rpcCode.headerMismatch, message, data: { mismatch: { header, body } } };
}

/** Text from outside, short enough for a message. */
function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}
