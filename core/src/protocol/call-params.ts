// Params of `tools/call`, most of which have the same few members.
import type { JsonObject } from './messages.ts';

/** Params of a call with its tool's name replaced. */
export function paramsNamed(params: JsonObject, name: string): JsonObject {
  if (params['name'] === name) return params;
  const { arguments: args, _meta } = params;
  if (!isPlainCall(params)) return { ...params, name };
  return _meta === undefined ? { name, arguments: args } : { name, arguments: args, _meta };
}

/** True for params of a name, arguments and `_meta` alone: nearly every call, for which to copy the rest is slow. */
export function isPlainCall(params: JsonObject | undefined): boolean {
  for (const member in params) if (member !== 'name' && member !== 'arguments' && member !== '_meta') return false;
  return params?.['arguments'] !== undefined;
}
