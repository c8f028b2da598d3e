// One request of a client on its way through the board: who asks, where the answer goes, and its end. Also the relay of its upstream calls.
import type { Envelope, OpenRequestHandle } from './board-api.ts';
import { Answer } from './protocol/answer.ts';
import { rpcCode } from './protocol/messages.ts';
import type { RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';
import { isLoggable } from './protocol/methods.ts';
import { statusOf } from './protocol/translate.ts';
import type { Reply, Session } from './session.ts';
import type { View } from './toolset.ts';
import type { CallRelay, Caller, UpstreamCall } from './upstream-call.ts';

/** The capability a client must have declared before it may be asked each of these. */
const askable: ReadonlyMap<string, string> = new Map([
  ['sampling/createMessage', 'sampling'],
  ['elicitation/create', 'elicitation'],
  ['roots/list', 'roots'],
]);

/** One request under way. Made by the board for every request, so it holds no more than it must. */
export class Exchange implements OpenRequestHandle, CallRelay {
  readonly session: Session;
  readonly request: RpcRequest;
  readonly view: View;
  readonly caller: Caller;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly reply: Reply;
  /** The call that is open at a server on behalf of this request. */
  upstream: UpstreamCall | undefined;
  cancelled = false;
  /** Called once, when the exchange is over. */
  readonly #over: (exchange: Exchange) => void;
  #settled = false;
  #abort: AbortController | undefined;

  constructor(
    session: Session,
    request: RpcRequest,
    reply: Reply,
    view: View,
    envelope: Envelope | undefined,
    over: (exchange: Exchange) => void,
  ) {
    this.session = session;
    this.request = request;
    this.reply = reply;
    this.view = view;
    this.caller = envelope === undefined ? session : callerOf(envelope);
    this.headers = envelope?.headers;
    this.#over = over;
  }

  /** Aborted when the client cancels; made on demand. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.cancelled) this.#abort.abort();
    return this.#abort.signal;
  }

  /** Sends the answer; once. Throws what the transport throws. In the new era an error's code gives the HTTP status where nobody has set one, in the old era there is none. */
  answer(answer: Answer): void {
    if (this.#settled) return;
    this.#settled = true;
    this.session.detach(this.reply);
    this.#over(this);
    if (this.cancelled) return;
    const { error } = answer.failed ? answer.message : {};
    if (error === undefined) this.reply.answer(answer);
    else
      this.reply.answer(
        Answer.parsed(
          { jsonrpc: '2.0', error },
          this.caller.era === 'new' ? (answer.status ?? statusOf(error.code)) : undefined,
        ),
      );
  }

  cancel(reason: string): void {
    if (this.#settled || this.cancelled) return;
    this.cancelled = true;
    this.#abort?.abort();
    this.session.withdraw(this.reply);
    this.upstream?.cancel({ kind: 'client', message: reason });
  }

  /** A notification of the server that belongs to this request. Log messages pass as far as the client wants them. */
  notify(message: RpcNotification): void {
    if (this.#settled || this.cancelled) return;
    if (message.method === 'notifications/message' && !wantsLog(this.caller, message)) return;
    this.reply.notify(message);
  }

  /** Old era: a request of the server to the client, on this request's own stream. */
  ask(message: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse> {
    const refusal = refuseAsk(this.caller, message);
    return refusal === undefined
      ? this.session.ask(message.method, message.params, this.reply, withdrawn)
      : Promise.resolve(refusal);
  }
}

function callerOf(envelope: Envelope): Caller {
  const { protocolVersion, capabilities, clientInfo, logLevel } = envelope;
  return { era: 'new', protocolVersion, capabilities, clientInfo, logLevel };
}

/** Old-era clients hear everything until they set a level; new-era clients nothing until they name one. */
export function wantsLog(caller: Caller, message: RpcNotification): boolean {
  if (caller.logLevel === undefined) return caller.era === 'old';
  return isLoggable(message.params?.['level'], caller.logLevel);
}

/** The error a server gets when it asks a client something that this client did not say it can do. */
export function refuseAsk(caller: Caller, message: RpcRequest): RpcResponse | undefined {
  const capability = askable.get(message.method);
  if (capability !== undefined && caller.capabilities[capability] !== undefined) return undefined;
  return {
    jsonrpc: '2.0',
    error: { code: rpcCode.methodNotFound, message: `the client cannot be asked ${message.method}` },
  };
}
