// Translation of single messages between the two eras. Conversations that take several messages live in `bridge.ts`.
import { Answer } from './answer.ts';
import { isPlainCall } from './call-params.ts';
import { isObject, metaKey, metaOf, rpcCode } from './messages.ts';
import type { Era, Implementation, JsonObject, RpcErrorBody, RpcResponse } from './messages.ts';
import type { Caller } from '../upstream-call.ts';

const envelopeKeys: readonly string[] = [
  metaKey.protocolVersion,
  metaKey.clientCapabilities,
  metaKey.clientInfo,
  metaKey.logLevel,
];

/** Results that carry caching hints in the new era (2026-07-28, caching). */
const cached = new Set([
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'server/discover',
]);

/** Old params → new: adds the per-request envelope of the caller. */
export function paramsForNew(params: JsonObject | undefined, caller: Caller, protocolVersion: string): JsonObject {
  if (metaOf(params) === undefined) {
    const _meta = envelopeOf(caller, protocolVersion);
    return isPlainCall(params)
      ? { name: params?.['name'], arguments: params?.['arguments'], _meta }
      : { ...params, _meta };
  }
  const meta: JsonObject = {
    ...metaOf(params),
    [metaKey.protocolVersion]: protocolVersion,
    [metaKey.clientCapabilities]: caller.capabilities,
  };
  if (caller.clientInfo !== undefined) meta[metaKey.clientInfo] = caller.clientInfo;
  if (caller.logLevel !== undefined) meta[metaKey.logLevel] = caller.logLevel;
  return { ...params, _meta: meta };
}

const envelopes = new WeakMap<Caller, JsonObject>();

/** The envelope of a caller, which is the same for all its calls until its log level changes. */
function envelopeOf(caller: Caller, protocolVersion: string): JsonObject {
  const known = envelopes.get(caller);
  if (known?.[metaKey.protocolVersion] === protocolVersion && known[metaKey.logLevel] === caller.logLevel) return known;
  const envelope: JsonObject = {
    [metaKey.protocolVersion]: protocolVersion,
    [metaKey.clientCapabilities]: caller.capabilities,
  };
  if (caller.clientInfo !== undefined) envelope[metaKey.clientInfo] = caller.clientInfo;
  if (caller.logLevel !== undefined) envelope[metaKey.logLevel] = caller.logLevel;
  envelopes.set(caller, envelope);
  return envelope;
}

/** New params → old: removes the envelope, and the members that only a retry of the new era has. */
export function paramsForOld(params: JsonObject | undefined): JsonObject | undefined {
  if (params === undefined) return undefined;
  if (isPlainCall(params) && hasEnvelopeOnly(params)) return { name: params['name'], arguments: params['arguments'] };
  const { _meta: _dropped, inputResponses: _responses, requestState: _state, ...rest } = params;
  const meta = without(metaOf(params), envelopeKeys);
  return meta === undefined ? rest : { ...rest, _meta: meta };
}

function hasEnvelopeOnly(params: JsonObject): boolean {
  for (const key in metaOf(params)) if (!envelopeKeys.includes(key)) return false;
  return true;
}

/** Old result → new: result type, the server's identity, and caching hints where the new era wants them. */
export function resultForNew(method: string, result: JsonObject, serverInfo: Implementation): JsonObject {
  const hints = cached.has(method) ? { ttlMs: 0, cacheScope: 'private' } : undefined;
  return {
    resultType: 'complete',
    ...hints,
    ...result,
    _meta: { ...metaOf(result), [metaKey.serverInfo]: serverInfo },
  };
}

/** New result → old: everything that the old era's strict clients do not know is taken away. */
export function resultForOld(method: string, result: JsonObject): JsonObject {
  const { _meta: _dropped, resultType: _type, ...rest } = result;
  if (cached.has(method)) {
    delete rest['ttlMs'];
    delete rest['cacheScope'];
  }
  const meta = without(metaOf(result), [metaKey.serverInfo]);
  return meta === undefined ? rest : { ...rest, _meta: meta };
}

/** Old error → new: the code for an unknown resource has changed, and names the URI. */
export function errorForNew(error: RpcErrorBody, params: JsonObject | undefined): RpcErrorBody {
  if (error.code !== rpcCode.resourceNotFound) return error;
  const data = isObject(error.data) ? error.data : undefined;
  return { code: rpcCode.invalidParams, message: error.message, data: { uri: params?.['uri'], ...data } };
}

/** New error → old. */
export function errorForOld(method: string, error: RpcErrorBody): RpcErrorBody {
  const named = isObject(error.data) && error.data['uri'] !== undefined;
  return method === 'resources/read' && error.code === rpcCode.invalidParams && named
    ? { ...error, code: rpcCode.resourceNotFound }
    : error;
}

/** The HTTP status of an error code in the new era (2026-07-28, Streamable HTTP: status codes). */
export function statusOf(code: number): number {
  if (code === rpcCode.methodNotFound) return 404;
  return code === rpcCode.headerMismatch || code === rpcCode.missingCapability || code === rpcCode.unsupportedVersion
    ? 400
    : 200;
}

/** What the new era adds to each result, as bytes: members with their order, as servers write them. */
interface Marks {
  readonly first: Buffer;
  readonly last: readonly Buffer[];
}

const marks = new WeakMap<Implementation, Marks>();

function marksOf(serverInfo: Implementation): Marks {
  let known = marks.get(serverInfo);
  if (known === undefined) {
    const type = '"resultType":"complete"';
    const meta = `"_meta":${JSON.stringify({ [metaKey.serverInfo]: serverInfo })}`;
    known = {
      first: Buffer.from(`${type},${meta}`),
      last: [Buffer.from(`,${type},${meta}`), Buffer.from(`,${meta},${type}`)],
    };
    marks.set(serverInfo, known);
  }
  return known;
}

/** A good result for the other era without parsing it. Undefined where its bytes do not allow that, and for errors. */
export function translateBytes(
  answer: Answer,
  to: Era,
  method: string,
  serverInfo: Implementation,
): Answer | undefined {
  if (cached.has(method)) return undefined;
  const { first, last } = marksOf(serverInfo);
  if (to === 'new') return answer.withMembers(first, ownMembers);
  for (const members of last) {
    const stripped = answer.withoutLast(members);
    if (stripped !== undefined) return stripped;
  }
  return undefined;
}

const ownMembers = ['"_meta"', '"resultType"'];

/** A whole answer translated for a client of the other era; the answer itself when the eras are the same. */
export function translateAnswer(
  answer: Answer,
  to: Era,
  method: string,
  params: JsonObject | undefined,
  serverInfo: Implementation,
): Answer {
  const bytes = translateBytes(answer, to, method, serverInfo);
  if (bytes !== undefined) return bytes;
  const message: RpcResponse = answer.message;
  if (message.error !== undefined) {
    const error = to === 'new' ? errorForNew(message.error, params) : errorForOld(method, message.error);
    return Answer.parsed({ jsonrpc: '2.0', error }, to === 'new' ? statusOf(error.code) : undefined);
  }
  const result = message.result ?? {};
  return Answer.result(to === 'new' ? resultForNew(method, result, serverInfo) : resultForOld(method, result));
}

function without(meta: JsonObject | undefined, keys: readonly string[]): JsonObject | undefined {
  if (meta === undefined) return undefined;
  const rest = { ...meta };
  for (const key of keys) delete rest[key];
  return Object.keys(rest).length === 0 ? undefined : rest;
}
