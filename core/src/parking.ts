// New-era clients in front of old-era servers: a call whose server asks the client something is parked, and goes on when the client retries.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { refuseAsk } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { Grant } from './grant.ts';
import { Answer } from './protocol/answer.ts';
import { isObject, metaKey, rpcCode } from './protocol/messages.ts';
import type { Implementation, JsonObject, RpcNotification, RpcRequest, RpcResponse } from './protocol/messages.ts';
import { takenBack } from './server-questions.ts';
import type { CallRelay, UpstreamCall } from './upstream-call.ts';

/** Servers that ask several things at once are given this long (ms) to say all of them. */
const gather = 15;
/** ms that a parked call waits for its client, and ms that one does which has ended meanwhile. */
const patience = 600_000;
const patienceForEnded = 60_000;
/** Parked calls in all, and of one grant. */
const maxParked = 1000;
const maxParkedOfGrant = 100;

/** All calls that wait for their clients' answers. Lives and dies with the process: a restarted proxy answers that the state is unknown. */
export class Parking {
  readonly #secret = randomBytes(32);
  readonly #parked = new Map<string, ParkedCall>();

  /** Makes the relay for a call of a new-era client to an old-era server. */
  park(exchange: Exchange, serverInfo: Implementation): ParkedCall {
    return new ParkedCall(this, exchange, serverInfo);
  }

  /** The parked call that a retry belongs to. Undefined: the state is forged, expired, used before, or somebody else's. */
  find(state: unknown, exchange: Exchange): ParkedCall | undefined {
    if (typeof state !== 'string') return undefined;
    const [nonce = ''] = state.split('.', 1);
    const call = this.#parked.get(nonce);
    const expected = Buffer.from(this.#state(nonce, exchange));
    const given = Buffer.from(state);
    return call !== undefined && given.length === expected.length && timingSafeEqual(given, expected)
      ? call
      : undefined;
  }

  /** Opens a round: the state that the client must send back. */
  open(call: ParkedCall, exchange: Exchange): { state: string; nonce: string } | undefined {
    const { grant } = exchange.session;
    const ofGrant = [...this.#parked.values()].filter((each) => each.grant === grant).length;
    if (this.#parked.size >= maxParked || ofGrant >= maxParkedOfGrant) return undefined;
    const nonce = randomBytes(16).toString('base64url');
    this.#parked.set(nonce, call);
    return { state: this.#state(nonce, exchange), nonce };
  }

  close(nonce: string): void {
    this.#parked.delete(nonce);
  }

  /** Bound to the grant, the endpoint and the request that it was made for. */
  #state(nonce: string, { session, request }: Exchange): string {
    const { params, method } = request;
    const target = `${method}\0${String(params?.['name'] ?? params?.['uri'])}`;
    const mac = createHmac('sha256', this.#secret)
      .update(`${nonce}\0${session.grant.id}\0${session.server ?? ''}\0${target}`)
      .digest('base64url');
    return `${nonce}.${mac}`;
  }
}

interface Question {
  readonly request: RpcRequest;
  readonly resolve: (response: RpcResponse) => void;
}

/** One call at an old-era server, seen by a new-era client as rounds of requests. */
export class ParkedCall implements CallRelay {
  readonly #parking: Parking;
  readonly #serverInfo: Implementation;
  readonly #questions = new Map<string, Question>();
  #exchange: Exchange;
  #call: UpstreamCall | undefined;
  #turn: ((answer: Answer) => void) | undefined;
  #asking: NodeJS.Timeout | undefined;
  #waiting: NodeJS.Timeout | undefined;
  #nonce: string | undefined;
  #asked = 0;
  #final: Answer | undefined;

  constructor(parking: Parking, exchange: Exchange, serverInfo: Implementation) {
    this.#parking = parking;
    this.#exchange = exchange;
    this.#serverInfo = serverInfo;
  }

  get grant(): Grant {
    return this.#exchange.session.grant;
  }

  /** Resolves with what the first round brings: the server's answer (as `finish` makes it), or its questions. */
  start(call: UpstreamCall, finish: Promise<Answer>): Promise<Answer> {
    this.#call = call;
    void finish.then((answer) => this.#finish(answer));
    return this.#nextTurn(this.#exchange);
  }

  /** A retry of the client: delivers its responses and waits for what comes next. */
  resume(exchange: Exchange): Promise<Answer> | Answer {
    const responses = exchange.request.params?.['inputResponses'];
    if (!isObject(responses) || !Object.values(responses).every(isObject)) {
      return Answer.error(
        rpcCode.invalidParams,
        'inputResponses must be an object with one object for each input request',
      );
    }
    if (this.#nonce !== undefined) this.#parking.close(this.#nonce);
    this.#nonce = undefined;
    clearTimeout(this.#waiting);
    const turn = this.#nextTurn(exchange);
    for (const key of [...this.#questions.keys()]) {
      const result = responses[key];
      if (isObject(result)) this.#settle(key, { jsonrpc: '2.0', result });
    }
    if (this.#questions.size > 0) this.#askSoon();
    return turn;
  }

  notify(message: RpcNotification): void {
    this.#exchange.notify(message);
  }

  /** A client that has been asked already cannot be told that its server has taken the question back: its answer is dropped. */
  ask(request: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse> {
    const refusal = withdrawn?.aborted === true ? takenBack(withdrawn) : refuseAsk(this.#exchange.caller, request);
    if (refusal !== undefined) return Promise.resolve(refusal);
    this.#asked += 1;
    const key = `${request.method.split('/')[0]}_${this.#asked}`;
    this.#askSoon();
    const answer = new Promise<RpcResponse>((resolve) => this.#questions.set(key, { request, resolve }));
    if (withdrawn === undefined) return answer;
    const takeBack = () => this.#settle(key, takenBack(withdrawn));
    withdrawn.addEventListener('abort', takeBack);
    return answer.finally(() => withdrawn.removeEventListener('abort', takeBack));
  }

  #settle(key: string, response: RpcResponse): void {
    const question = this.#questions.get(key);
    this.#questions.delete(key);
    question?.resolve(response);
  }

  #nextTurn(exchange: Exchange): Promise<Answer> {
    this.#exchange = exchange;
    exchange.upstream = this.#call;
    return new Promise((resolve) => {
      if (this.#final !== undefined) resolve(this.#final);
      else this.#turn = resolve;
    });
  }

  #finish(answer: Answer): void {
    this.#final = answer;
    clearTimeout(this.#asking);
    clearTimeout(this.#waiting);
    // Its client, which has been asked something, may still come for the answer.
    if (this.#turn === undefined) this.#expireIn(patienceForEnded);
    this.#turn?.(answer);
    this.#turn = undefined;
  }

  #askSoon(): void {
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => this.#askClient(), gather);
  }

  #askClient(): void {
    if (this.#turn === undefined || this.#questions.size === 0) return;
    const round = this.#parking.open(this, this.#exchange);
    if (round === undefined) {
      this.#call?.cancel({ kind: 'shutdown', message: 'too many calls wait for their clients' });
      return;
    }
    this.#nonce = round.nonce;
    const inputRequests: JsonObject = {};
    for (const [key, { request }] of this.#questions)
      inputRequests[key] = { method: request.method, params: request.params ?? {} };
    const turn = this.#turn;
    this.#turn = undefined;
    this.#expireIn(patience);
    turn(inputRequired(inputRequests, round.state, this.#serverInfo));
  }

  #expireIn(ms: number): void {
    const nonce = this.#nonce;
    if (nonce === undefined) return;
    this.#waiting = setTimeout(() => {
      this.#parking.close(nonce);
      this.#call?.cancel({ kind: 'timeout', message: 'the client did not answer in time' });
    }, ms);
    this.#waiting.unref();
  }
}

/** The result that asks a new-era client for input (2026-07-28, multi round-trip requests). */
export function inputRequired(
  inputRequests: JsonObject,
  requestState: string | undefined,
  serverInfo: Implementation,
): Answer {
  const result: JsonObject = {
    resultType: 'input_required',
    inputRequests,
    _meta: { [metaKey.serverInfo]: serverInfo },
  };
  if (requestState !== undefined) result['requestState'] = requestState;
  return Answer.result(result);
}
