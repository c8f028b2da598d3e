// What a parsed body is: a request, a notification, a response, or none of them. Eras and headers are judged in `classify.ts`.
import { isObject, isRequestId } from 'plugboard';
import type { RequestId, RpcNotification, RpcRequest, RpcResponse } from 'plugboard';

/** A message by its kind. */
export type Sorted =
  | { readonly kind: 'request'; readonly message: RpcRequest }
  | { readonly kind: 'notification'; readonly message: RpcNotification }
  | { readonly kind: 'response'; readonly message: RpcResponse }
  | { readonly kind: 'invalid'; readonly why: string };

const invalid = (why: string): Sorted => ({ kind: 'invalid', why });

/** Sorts a parsed JSON value (JSON-RPC 2.0, sections 4 and 5; MCP basic protocol: messages). */
export function sort(value: unknown): Sorted {
  if (!isObject(value) || value['jsonrpc'] !== '2.0') return invalid('not a JSON-RPC 2.0 message');
  const { id, method, params } = value;
  if (method === undefined) return sortResponse(value, id);
  if (typeof method !== 'string') return invalid('the method is not a string');
  if (params !== undefined && !isObject(params)) return invalid('params is not an object');
  if (id === undefined && !('id' in value))
    return { kind: 'notification', message: value as unknown as RpcNotification };
  if (!isRequestId(id)) return invalid('the id is neither a string nor a number');
  // Such a number was already changed by parsing it, so the answer would carry another id than the request.
  if (Number.isInteger(id) && !Number.isSafeInteger(id)) return invalid('the id is too large a number; use a string');
  return { kind: 'request', message: value as unknown as RpcRequest };
}

/** The id of a message that is refused, as far as it has a valid one. */
export function idOf(value: unknown): RequestId | undefined {
  const id = isObject(value) ? value['id'] : undefined;
  return isRequestId(id) && (typeof id === 'string' || !Number.isInteger(id) || Number.isSafeInteger(id))
    ? id
    : undefined;
}

function sortResponse(value: Record<string, unknown>, id: unknown): Sorted {
  const { result, error } = value;
  if (isObject(result) === isObject(error)) return invalid('neither a method nor exactly one of result and error');
  // The id may be missing from an error that belongs to no request.
  if (!(isRequestId(id) || (isObject(error) && id === undefined))) return invalid('a response without a valid id');
  return { kind: 'response', message: value as unknown as RpcResponse };
}
