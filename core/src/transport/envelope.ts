// The envelope of the new era: whether a message claims one, and whether it is right (2026-07-28, basic protocol).
import { Answer } from '../protocol/answer.ts';
import { isObject, metaKey, metaOf, newVersions, rpcCode } from '../protocol/messages.ts';
import type { Envelope } from '../board-api.ts';
import type { Capabilities, Implementation, JsonObject } from '../protocol/messages.ts';

const supported: readonly string[] = newVersions;
const logLevels = new Set<unknown>(['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']);

/** True when a message claims an envelope, well-formed or not: it names a protocol version in `params._meta`. */
export function claimsEnvelope(params: unknown): boolean {
  const meta = metaOf(params);
  return meta !== undefined && metaKey.protocolVersion in meta;
}

/** The envelope of params that claim one, or the error that refuses it. */
export function readEnvelope(params: unknown): Envelope | Answer {
  const meta = metaOf(params) ?? {};
  const problem = problemOf(meta);
  if (problem !== undefined) {
    return Answer.error(rpcCode.invalidParams, `Invalid _meta envelope: ${problem.key}: ${problem.problem}`, {
      envelope: problem,
    });
  }
  const requested = meta[metaKey.protocolVersion] as string;
  if (!supported.includes(requested)) {
    const data = { supported: [...supported], requested };
    return Answer.error(
      rpcCode.unsupportedVersion,
      `Unsupported protocol version: ${JSON.stringify(requested.slice(0, 200))}`,
      data,
    );
  }
  return {
    protocolVersion: requested,
    capabilities: meta[metaKey.clientCapabilities] as Capabilities,
    clientInfo: meta[metaKey.clientInfo] as Implementation | undefined,
    logLevel: meta[metaKey.logLevel] as string | undefined,
  };
}

/** The error for a request without an envelope on a pipe whose client speaks the new era. */
export function missingEnvelope(): Answer {
  const missing = [metaKey.protocolVersion, metaKey.clientCapabilities];
  const message = `Invalid params: protocol version ${supported[0]} needs an envelope in params._meta; missing: ${missing.join(', ')}`;
  return Answer.error(rpcCode.invalidParams, message, { envelope: { missing } });
}

interface Problem {
  readonly key: string;
  readonly problem: string;
}

function problemOf(meta: JsonObject): Problem | undefined {
  if (typeof meta[metaKey.protocolVersion] !== 'string')
    return { key: metaKey.protocolVersion, problem: 'not a string' };
  const capabilities = meta[metaKey.clientCapabilities];
  if (capabilities === undefined) return { key: metaKey.clientCapabilities, problem: 'missing' };
  if (!isObject(capabilities)) return { key: metaKey.clientCapabilities, problem: 'not an object' };
  for (const [name, value] of Object.entries(capabilities)) {
    if (!isObject(value)) return { key: `${metaKey.clientCapabilities}.${name}`, problem: 'not an object' };
  }
  const info = meta[metaKey.clientInfo];
  if (
    info !== undefined &&
    !(isObject(info) && typeof info['name'] === 'string' && typeof info['version'] === 'string')
  ) {
    return { key: metaKey.clientInfo, problem: 'not an object with name and version' };
  }
  const level = meta[metaKey.logLevel];
  if (level !== undefined && !logLevels.has(level)) return { key: metaKey.logLevel, problem: 'not a log level' };
  const token = meta['progressToken'];
  const isToken = token === undefined || typeof token === 'string' || Number.isSafeInteger(token);
  return isToken ? undefined : { key: 'progressToken', problem: 'neither a string nor an integer' };
}
