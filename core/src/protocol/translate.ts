// Translation of single messages between the two eras. Conversations that take several messages live in `bridge.ts`.
import { Answer } from './answer.ts';
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
  const meta: JsonObject = {
    ...metaOf(params),
    [metaKey.protocolVersion]: protocolVersion,
    [metaKey.clientCapabilities]: caller.capabilities,
  };
  if (caller.clientInfo !== undefined) meta[metaKey.clientInfo] = caller.clientInfo;
  if (caller.logLevel !== undefined) meta[metaKey.logLevel] = caller.logLevel;
  return { ...params, _meta: meta };
}

/** New params → old: removes the envelope, and the members that only a retry of the new era has. */
export function paramsForOld(params: JsonObject | undefined): JsonObject | undefined {
  if (params === undefined) return undefined;
  const { _meta: _dropped, inputResponses: _responses, requestState: _state, ...rest } = params;
  const meta = without(metaOf(params), envelopeKeys);
  return meta === undefined ? rest : { ...rest, _meta: meta };
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

/** A whole answer translated for a client of the other era; the answer itself when the eras are the same. */
export function translateAnswer(
  answer: Answer,
  to: Era,
  method: string,
  params: JsonObject | undefined,
  serverInfo: Implementation,
): Answer {
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
