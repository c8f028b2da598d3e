// What a parsed line is: a request, a notification, a response, or none of them. Eras are told apart in `envelope.ts`.
import { isObject, isRequestId } from '../protocol/messages.ts';
import type { RequestId, RpcNotification, RpcRequest, RpcResponse } from '../protocol/messages.ts';

/** A message by its kind; an invalid one with the reason and, if it has one, its id. */
export type SortedMessage =
  | { readonly kind: 'request'; readonly message: RpcRequest }
  | { readonly kind: 'notification'; readonly message: RpcNotification }
  | { readonly kind: 'response'; readonly message: RpcResponse }
  | { readonly kind: 'invalid'; readonly why: string; readonly id: RequestId | undefined };

/** Sorts a parsed JSON value (JSON-RPC 2.0, sections 4 and 5; MCP basic protocol: messages). */
export function sortMessage(value: unknown): SortedMessage {
  const id = isObject(value) && isUsableId(value['id']) ? value['id'] : undefined;
  const invalid = (why: string): SortedMessage => ({ kind: 'invalid', why, id });
  if (!isObject(value) || value['jsonrpc'] !== '2.0') return invalid('not a JSON-RPC 2.0 message');
  const { method, params } = value;
  if (method === undefined) return sortResponse(value, invalid);
  if (typeof method !== 'string') return invalid('the method is not a string');
  if (params !== undefined && !isObject(params)) return invalid('params is not an object');
  if (!('id' in value)) return { kind: 'notification', message: value as unknown as RpcNotification };
  if (id === undefined) return invalid('the id is neither a string nor a number that can be given back unchanged');
  return { kind: 'request', message: value as unknown as RpcRequest };
}

function sortResponse(value: Record<string, unknown>, invalid: (why: string) => SortedMessage): SortedMessage {
  const { id, result, error } = value;
  if (isObject(result) === isObject(error)) return invalid('neither a method nor exactly one of result and error');
  // The id may be missing from an error that belongs to no request.
  if (!isRequestId(id) && !(isObject(error) && (id === undefined || id === null)))
    return invalid('a response without a valid id');
  return { kind: 'response', message: value as unknown as RpcResponse };
}

/** The id that a refusal of this request carries; undefined when it is none, or has no id that can be given back. */
export function idOfRequest(value: unknown): RequestId | undefined {
  return isObject(value) && typeof value['method'] === 'string' && isUsableId(value['id']) ? value['id'] : undefined;
}

/** A larger integer was changed by parsing it: its answer would carry another id than the request. */
function isUsableId(id: unknown): id is RequestId {
  return isRequestId(id) && !(Number.isInteger(id) && !Number.isSafeInteger(id));
}
