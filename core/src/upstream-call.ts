// One request under way towards a server: what is asked, who asks, how its side messages travel back, and its end. No routing here.
import { hasBrand } from './errors.ts';
import { InFlight } from './in-flight.ts';
import { linkAbort } from './linked-abort.ts';
import type { Answer } from './protocol/answer.ts';
import type {
  Capabilities,
  Era,
  Implementation,
  JsonObject,
  RequestId,
  RpcNotification,
  RpcRequest,
  RpcResponse,
  Tool,
} from './protocol/messages.ts';

/** Who makes a call, in the new era's terms: what a server may know of the client. */
export interface Caller {
  readonly era: Era;
  readonly protocolVersion: string;
  readonly capabilities: Capabilities;
  readonly clientInfo: Implementation | undefined;
  /** Level below which the client wants no log messages; undefined means it asked for none (new era) or all (old era). */
  readonly logLevel: string | undefined;
}

/** How messages that belong to a call reach the client while the call runs. */
export interface CallRelay {
  /** Progress and log messages of this call. Tokens are already the client's own. */
  notify(message: RpcNotification): void;
  /**
   * Old era: a request of the server to the client (elicitation, sampling, roots). Resolves with the client's response. `withdrawn` is
   * aborted, with the server's reason, when the server takes it back; what it resolves with is for nobody then.
   */
  ask(message: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse>;
}

/** What ends a call from our side; connections pass it on (`notifications/cancelled`, closing the stream). */
export type CancelReason = { readonly kind: 'client' | 'timeout' | 'shutdown'; readonly message: string };

const failureBrand = Symbol.for('plugboard.call-failure');

/** Thrown to the caller's side when a call ends without an answer of its server. */
export class CallFailure extends Error {
  readonly [failureBrand] = true;
  static override [Symbol.hasInstance](value: unknown): boolean {
    return hasBrand(value, failureBrand);
  }
  readonly kind: 'timeout' | 'gone' | 'cancelled' | 'invalid';
  constructor(kind: CallFailure['kind'], message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CallFailure';
    this.kind = kind;
  }
}

export interface UpstreamCallInit {
  readonly method: string;
  /** Params as this connection's server shall see them, except that a progress token is replaced by `call.id`. */
  readonly params: JsonObject | undefined;
  readonly caller: Caller;
  /** Id of the grant in whose name it is made; undefined: the proxy's own. */
  readonly grant?: string | undefined;
  readonly relay?: CallRelay | undefined;
  /** Definition of the tool that is called: its `x-mcp-header` declarations become `Mcp-Param-*` headers. */
  readonly tool?: Tool | undefined;
  /** `mcp-param-*` headers that the client sent (lower-case names), forwarded where they are not derived from `tool`. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** ms without an answer or progress before the call fails. */
  readonly timeout: number;
  /** ms in total, whatever progress says. */
  readonly maxTimeout: number;
}

let lastId = 0;

/**
 * One request to one server. Its `id` is an integer that is unique in this process, so it serves as request id and as progress token
 * on every shared channel. A connection must end it exactly once, with `resolve` or `fail`; later ends are ignored.
 */
export class UpstreamCall {
  readonly id: number;
  readonly method: string;
  readonly params: JsonObject | undefined;
  readonly caller: Caller;
  readonly grant: string | undefined;
  readonly tool: Tool | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** Settles with the answer; rejects with {@link CallFailure}. */
  readonly answer: Promise<Answer>;
  /** Set by the owner of the call: it is over, however it ended. */
  onEnd: ((call: UpstreamCall) => void) | undefined;
  /** Set by the connection that carries the call: tells the server that nobody waits any more. */
  onCancel: ((reason: CancelReason) => void) | undefined;
  readonly #relay: CallRelay | undefined;
  readonly #clientToken: RequestId | undefined;
  readonly #timeout: number;
  readonly #hardDeadline: number;
  #questions = 0;
  /** Made with the first question: aborted when the call ends without an answer. */
  #failed: AbortController | undefined;
  #deadline: number;
  #resolve!: (answer: Answer) => void;
  #reject!: (error: CallFailure) => void;
  #done = false;

  constructor(init: UpstreamCallInit) {
    lastId += 1;
    this.id = lastId;
    this.method = init.method;
    this.caller = init.caller;
    this.grant = init.grant;
    this.tool = init.tool;
    this.headers = init.headers;
    this.#relay = init.relay;
    const token = (init.params?.['_meta'] as JsonObject | undefined)?.['progressToken'] as RequestId | undefined;
    this.#clientToken = token;
    this.params = token === undefined ? init.params : withProgressToken(init.params as JsonObject, this.id);
    const now = performance.now();
    this.#timeout = init.timeout;
    this.#deadline = now + init.timeout;
    this.#hardDeadline = now + init.maxTimeout;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    watch(this);
  }

  /** True once the call has ended, however it ended. */
  get done(): boolean {
    return this.#done;
  }

  /** Ends the call with the server's answer. */
  resolve(answer: Answer): void {
    if (this.#done) return;
    this.#end();
    this.#resolve(answer);
  }

  /** Ends the call without an answer. */
  fail(failure: CallFailure): void {
    if (this.#done) return;
    this.#end();
    // Before its own end: the client is told on the stream that it was asked on.
    this.#failed?.abort(failure.message);
    this.#reject(failure);
  }

  /** A notification of the server that belongs to this call (progress, log): resets the time limit and goes to the client. */
  notify(message: RpcNotification): void {
    if (this.#done) return;
    if (message.method !== 'notifications/progress') {
      this.#relay?.notify(message);
      return;
    }
    if (!this.asking) this.#deadline = performance.now() + this.#timeout;
    if (this.#clientToken === undefined) return;
    this.#relay?.notify({ ...message, params: { ...message.params, progressToken: this.#clientToken } });
  }

  /** True when the client can be asked on behalf of this call. */
  get canAsk(): boolean {
    return this.#relay !== undefined;
  }

  /** True while the client has been asked something and has not answered. */
  get asking(): boolean {
    return this.#questions > 0;
  }

  /**
   * Old era: a request of the server that belongs to this call. The time the client takes does not count against the call. Abort
   * `withdrawn`, with the server's reason, when the server takes the request back. A call that ends without an answer takes back what
   * was asked for it; what one that was answered has left open is asked on.
   */
  async ask(message: RpcRequest, withdrawn?: AbortSignal): Promise<RpcResponse> {
    if (this.#relay === undefined || this.#done)
      throw new CallFailure('invalid', `nobody can be asked ${message.method} for this call`);
    this.#questions += 1;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#failed ??= new AbortController();
    const takenBack = linkAbort(withdrawn === undefined ? [this.#failed.signal] : [this.#failed.signal, withdrawn]);
    try {
      return await this.#relay.ask(message, takenBack.signal);
    } finally {
      takenBack.release();
      this.#questions -= 1;
      if (this.#questions === 0) this.#deadline = performance.now() + this.#timeout;
    }
  }

  /** Ends the call from our side and tells the server. */
  cancel(reason: CancelReason): void {
    if (this.#done) return;
    const tell = this.onCancel;
    this.fail(new CallFailure(reason.kind === 'timeout' ? 'timeout' : 'cancelled', reason.message));
    tell?.(reason);
  }

  /** Cancels the call when a limit has passed. Called by the one clock below. */
  expire(now: number): void {
    if (now < this.#deadline && now < this.#hardDeadline) return;
    const limit = now >= this.#hardDeadline ? 'the hard limit' : `${this.#timeout} ms without answer or progress`;
    this.cancel({ kind: 'timeout', message: `no answer to ${this.method} within the time limit (${limit})` });
  }

  #end(): void {
    this.#done = true;
    open.delete(this.id);
    this.onEnd?.(this);
  }
}

function withProgressToken(params: JsonObject, token: number): JsonObject {
  return { ...params, _meta: { ...(params['_meta'] as JsonObject), progressToken: token } };
}

// One clock for all open calls: a timer per call costs more than the call's own bookkeeping.
const open = new InFlight<UpstreamCall>();
const tick = 100;
let clock: NodeJS.Timeout | undefined;

function watch(call: UpstreamCall): void {
  open.set(call.id, call);
  if (clock !== undefined) return;
  clock = setInterval(() => {
    const now = performance.now();
    for (const each of open.all()) each.expire(now);
    if (open.size === 0) {
      clearInterval(clock);
      clock = undefined;
    }
  }, tick);
  clock.unref();
}
