// What a server has asked and not been answered yet, by the server's own ids. Who answers is the connection's business.
import { rpcCode } from './protocol/messages.ts';
import type { RequestId, RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';

/** The questions of one server on one connection. */
export class ServerQuestions {
  readonly #open = new Map<RequestId, AbortController>();
  #ended = false;

  /**
   * Has a question answered; resolves with the response to send, an error response where `answer` fails. Undefined: the server has taken
   * its question back, which `answer` learns by its signal, or has gone, and gets none.
   */
  async ask(
    request: RpcRequest,
    answer: (withdrawn: AbortSignal) => Promise<RpcResponse>,
  ): Promise<RpcResponse | undefined> {
    if (this.#ended) return undefined;
    const question = new AbortController();
    this.#open.set(request.id, question);
    let response: RpcResponse;
    try {
      response = await answer(question.signal);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      response = { jsonrpc: '2.0', error: { code: rpcCode.internalError, message } };
    }
    if (this.#open.get(request.id) === question) this.#open.delete(request.id);
    return question.signal.aborted ? undefined : { ...response, id: request.id };
  }

  /** The server takes a question back (`notifications/cancelled`); one that is not open is none. */
  withdraw({ params }: RpcNotification): void {
    const id = params?.['requestId'] as RequestId;
    const reason = params?.['reason'];
    const question = this.#open.get(id);
    this.#open.delete(id);
    question?.abort(typeof reason === 'string' ? reason : 'the server does not ask any more');
  }

  /** The server has gone: what it has asked is taken back, and it asks nothing any more. */
  end(reason: string): void {
    this.#ended = true;
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const question of open) question.abort(reason);
  }
}

/** What becomes of a question that was taken back. Read only by a server whose call was given up: it has not taken it back itself. */
export function takenBack(withdrawn: AbortSignal): RpcResponse {
  const message = `the question was taken back: ${reasonOf(withdrawn)}`;
  return { jsonrpc: '2.0', error: { code: rpcCode.internalError, message } };
}

/** Why a question was taken back, in the words of the server or of what ended its call. */
export function reasonOf({ reason }: AbortSignal): string {
  return reason instanceof Error ? reason.message : String(reason);
}
