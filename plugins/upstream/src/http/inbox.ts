// Routes what an HTTP server sends, on whatever stream it comes: answers to their calls, side messages to call or core, requests to the client.
import {
  Answer,
  findResponseId,
  InFlight,
  isNotification,
  isObject,
  isRequest,
  preview,
  ServerQuestions,
  Throttle,
} from 'plugboard';
import type {
  CallFailure,
  EventGate,
  LeaseKey,
  Log,
  RpcNotification,
  RpcRequest,
  RpcResponse,
  UpstreamCall,
} from 'plugboard';
import type { HttpSettings } from '../settings.ts';

export interface InboxInit {
  readonly settings: HttpSettings;
  readonly log: Log;
  readonly gate: EventGate;
  /** Who the connection is for: only one grant's calls may be taken for the origin of a question that names none. */
  readonly key: LeaseKey;
  /** Sends our answer to a request of the server. Undefined: the era has no such requests. */
  readonly respond?: (response: RpcResponse) => void;
}

/** The open calls of one connection, and the reading of messages for them. It ends with its connection. */
export class Inbox {
  readonly #init: InboxInit;
  readonly #calls = new InFlight<UpstreamCall>();
  readonly #questions = new ServerQuestions();
  readonly #warnings: Throttle;
  #ended: CallFailure | undefined;

  constructor(init: InboxInit) {
    this.#init = init;
    this.#warnings = new Throttle(init.log, init.settings.name);
  }

  /** With what its calls failed when it was ended. */
  get ended(): CallFailure | undefined {
    return this.#ended;
  }

  /** Takes in a call that is about to be sent. False when this is ended; the call has failed then. */
  add(call: UpstreamCall): boolean {
    if (this.#ended === undefined) this.#calls.set(call.id, call);
    else call.fail(this.#ended);
    return this.#ended === undefined;
  }

  drop(call: UpstreamCall): void {
    this.#calls.delete(call.id);
  }

  /** Ends a call without an answer. */
  fail(call: UpstreamCall, failure: CallFailure): void {
    this.#calls.delete(call.id);
    call.fail(failure);
  }

  /** Something about the server for the log, in words that go on from "server …". */
  warn(text: string): void {
    this.#warnings.warn(text);
  }

  /** Fails all calls, takes back what the server has asked, and says nothing any more. False when it was ended before. */
  end(failure: CallFailure): boolean {
    if (this.#ended !== undefined) return false;
    this.#ended = failure;
    for (const call of this.#calls.all()) this.fail(call, failure);
    this.#questions.end(failure.message);
    this.#warnings.end();
    return true;
  }

  /** Takes one JSON text. `origin`: the call on whose stream it came; undefined: a stream that belongs to no call. */
  text(bytes: Buffer, origin?: UpstreamCall): void {
    const place = findResponseId(bytes);
    if (place !== undefined) {
      this.#settle(place.id, Answer.relayed(bytes, place));
      return;
    }
    let message: unknown;
    try {
      message = JSON.parse(bytes.toString('utf8'));
    } catch {
      this.#rubbish(`sent something that is not JSON: ${preview(bytes)}`);
      return;
    }
    this.receive(message, origin);
  }

  /** Takes one parsed message, or a batch of them. */
  receive(message: unknown, origin?: UpstreamCall): void {
    // One level only: a batch in a batch is none, and nests as deep as its sender likes.
    if (Array.isArray(message)) for (const each of message) this.#receive(each, origin);
    else this.#receive(message, origin);
  }

  #receive(message: unknown, origin: UpstreamCall | undefined): void {
    if (isRequest(message)) void this.#serve(message, origin);
    else if (isNotification(message)) this.#notification(message, origin);
    else if (isObject(message) && (isObject(message['result']) || isObject(message['error']))) {
      this.#response(message as unknown as RpcResponse, origin);
    } else this.#rubbish(`sent something that is no message of the protocol: ${preview(message)}`);
  }

  #response(response: RpcResponse, origin: UpstreamCall | undefined): void {
    // An error that could not be attributed (id null) answers the request on whose stream it came.
    const id = typeof response.id === 'number' ? response.id : response.error === undefined ? undefined : origin?.id;
    if (id === undefined) this.#rubbish('sent an answer to no request');
    else this.#settle(id, Answer.parsed(response));
  }

  #settle(id: number, answer: Answer): void {
    const call = this.#calls.get(id);
    if (call === undefined) {
      this.#rubbish(`sent an answer to a request that is not open (id ${id}): late, or twice`);
      return;
    }
    this.#calls.delete(call.id);
    call.resolve(answer);
  }

  #notification(message: RpcNotification, origin: UpstreamCall | undefined): void {
    if (message.method === 'notifications/progress') {
      const token = message.params?.['progressToken'];
      if (typeof token === 'number') this.#calls.get(token)?.notify(message);
    } else if (message.method === 'notifications/cancelled') {
      this.#questions.withdraw(message);
    } else if (message.method === 'notifications/message' && origin !== undefined) origin.notify(message);
    else this.#init.gate.notification(message);
  }

  /** A request of the server: for the client of its call, of the only call it can mean, or of the connection. */
  async #serve(request: RpcRequest, origin: UpstreamCall | undefined): Promise<void> {
    const { respond } = this.#init;
    if (respond === undefined) {
      this.#rubbish(`sent a request (${preview(request.method)}), which 2026-07-28 forbids`);
      return;
    }
    if (request.method === 'ping') {
      respond({ jsonrpc: '2.0', id: request.id, result: {} });
      return;
    }
    const call = origin ?? this.#onlyCall();
    const response = await this.#questions.ask(request, (withdrawn) =>
      call?.canAsk === true ? call.ask(request, withdrawn) : this.#init.gate.request(request, withdrawn),
    );
    if (response !== undefined) respond(response);
  }

  /** Something arrived that belongs nowhere. */
  #rubbish(what: string): void {
    if (this.#ended === undefined) this.warn(this.#init.settings.redact(what));
  }

  /** The only call that can be meant. The one that a question belongs to may have been given up: what is left must be of the same grant. */
  #onlyCall(): UpstreamCall | undefined {
    if (this.#init.key.grant === undefined || this.#calls.size !== 1) return undefined;
    const [call] = this.#calls.all();
    return call;
  }
}
