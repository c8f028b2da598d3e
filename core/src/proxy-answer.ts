// What the proxy itself answers a server that asks something of a client, where there is none to be asked.
import type { ServerDefinition } from './connection.ts';
import { rpcCode } from './protocol/messages.ts';
import type { RpcRequest, RpcResponse } from './protocol/messages.ts';

/** The answer while nobody's call is open, and where nobody knows whose call it is that the server asks for. */
export function answerAsProxy(request: RpcRequest, isolation: ServerDefinition['isolation']): RpcResponse {
  if (request.method === 'roots/list') return { jsonrpc: '2.0', result: { roots: [] } };
  const why =
    isolation === 'shared'
      ? 'several clients share this connection, and the question does not say whose call it is for'
      : 'no client is asking, so none can be asked';
  return { jsonrpc: '2.0', error: { code: rpcCode.methodNotFound, message: `${request.method}: ${why}` } };
}
