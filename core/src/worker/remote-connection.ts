// In the proxy: a connection to a server that lives in a worker. Its calls, side messages and end cross by messages.
import type { Connection, ConnectionEvents, ListenFilter, ServerInfo } from '../connection.ts';
import { gone } from '../peer.ts';
import { Answer } from '../protocol/answer.ts';
import { findResponseId } from '../protocol/response-place.ts';
import type { Era, JsonObject, RpcNotification, RpcRequest, RpcResponse } from '../protocol/messages.ts';
import { CallFailure } from '../upstream-call.ts';
import type { UpstreamCall } from '../upstream-call.ts';
import type { Channel } from './channel.ts';
import type { ToHost, ToWorker } from './messages.ts';

/** ms for a connection to be closed by its worker. */
const closeLimit = 5000;

/** What is known of a connection before it is open. */
export interface RemoteConnectionInit {
  readonly id: number;
  readonly server: string;
  readonly events: ConnectionEvents;
  readonly channel: Channel<ToWorker, ToHost>;
  /** Called when it has been closed. */
  readonly over: () => void;
}

export class RemoteConnection implements Connection {
  era: Era = 'old';
  info: ServerInfo = { protocolVersion: '', capabilities: {}, serverInfo: { name: '', version: '' } };
  separate: boolean | undefined;
  readonly #init: RemoteConnectionInit;
  readonly #calls = new Map<number, UpstreamCall>();
  #isOpen = false;
  #closed: CallFailure | undefined;

  constructor(init: RemoteConnectionInit) {
    this.#init = init;
  }

  /** It is open now, and this is what it is. */
  opened(era: Era, info: ServerInfo, separate: boolean | undefined): void {
    this.era = era;
    this.info = info;
    this.separate = separate;
    this.#isOpen = true;
  }

  send(call: UpstreamCall): void {
    if (this.#closed !== undefined) {
      call.fail(this.#closed);
      return;
    }
    const { id, method, params, tool, headers, canAsk } = call;
    const { era, protocolVersion, capabilities, clientInfo, logLevel } = call.caller;
    const caller = { era, protocolVersion, capabilities, clientInfo, logLevel };
    this.#calls.set(id, call);
    call.onCancel = (reason) => {
      this.#calls.delete(id);
      this.#init.channel.tell('cancel', { call: id, reason });
    };
    const note = { id, method, params, caller, tool, headers, canAsk };
    try {
      this.#init.channel.tell('send', { connection: this.#init.id, call: note });
    } catch (error) {
      this.#calls.delete(id);
      call.fail(new CallFailure('invalid', `the call cannot be handed to a worker: ${String(error)}`));
    }
  }

  notify(method: string, params?: JsonObject): void {
    this.#init.channel.tell('notify', { connection: this.#init.id, method, params });
  }

  listen(filter: ListenFilter): void {
    this.#init.channel.tell('listen', { connection: this.#init.id, filter });
  }

  async close(): Promise<void> {
    if (this.#closed !== undefined) return;
    this.#end('it was stopped');
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeLimit)));
    // Whether its worker still answers is none of the caller's business.
    const closing = this.#init.channel.ask('close', { connection: this.#init.id }).catch(() => {});
    await Promise.race([closing, patience]);
    clearTimeout(timer);
  }

  /** The worker, or the server in it, has ended the connection. */
  lost(reason: Error): void {
    if (this.#closed !== undefined) return;
    this.#end(reason.message);
    if (this.#isOpen) this.#init.events.closed(reason);
  }

  /** What the calls that wait here are, for whoever asks what a worker was doing. */
  doing(): string[] {
    return [...this.#calls.values()].map(({ method, params }) => {
      const name = params?.['name'];
      return `${method}${typeof name === 'string' ? ` ${name}` : ''} at server "${this.#init.server}"`;
    });
  }

  hasCall(call: number): boolean {
    return this.#calls.has(call);
  }

  answer({ call: id, bytes, status }: ToHost['tells']['answer']): void {
    const call = this.#take(id);
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const place = findResponseId(text);
    if (place !== undefined) call?.resolve(Answer.relayed(text, place, status));
    else call?.resolve(Answer.parsed(JSON.parse(text.toString('utf8')) as RpcResponse, status));
  }

  failed(id: number, failure: Error): void {
    this.#take(id)?.fail(failure instanceof CallFailure ? failure : new CallFailure('invalid', failure.message));
  }

  progress(id: number, message: RpcNotification): void {
    this.#calls.get(id)?.notify(message);
  }

  ask(id: number, message: RpcRequest, withdrawn: AbortSignal): Promise<RpcResponse> {
    const call = this.#calls.get(id);
    if (call === undefined) throw new CallFailure('cancelled', 'nobody waits for this call any more');
    return call.ask(message, withdrawn);
  }

  notification(message: RpcNotification): void {
    if (this.#closed === undefined) this.#init.events.notification(message);
  }

  request(message: RpcRequest, withdrawn: AbortSignal): Promise<RpcResponse> {
    return this.#init.events.request(message, withdrawn);
  }

  #take(id: number): UpstreamCall | undefined {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    return call;
  }

  #end(why: string): void {
    const failure = gone(this.#init.server, why);
    this.#closed = failure;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(failure);
    this.#init.over();
  }
}
