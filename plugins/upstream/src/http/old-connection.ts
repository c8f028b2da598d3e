// An open connection over Streamable HTTP in the old era: the session, its renewal, its standing stream. Single calls are in `old-call.ts`.
import { Attempt, CallFailure, stopped } from 'plugboard';
import type {
  Connection,
  EventGate,
  JsonObject,
  LeaseKey,
  ListenFilter,
  RpcMessage,
  ServerInfo,
  UpstreamCall,
} from 'plugboard';
import { pause } from '../pause.ts';
import { attemptAt } from '../target.ts';
import type { Shared } from '../shared.ts';
import type { HttpClient } from './client.ts';
import { opened } from './door.ts';
import type { Door } from './door.ts';
import { Inbox } from './inbox.ts';
import { OldCall } from './old-call.ts';
import type { OldCallHost } from './old-call.ts';
import { deleteSession, openSession, ownId } from './old-session.ts';
import type { OldSession } from './old-session.ts';
import { StandingStream } from './standing-stream.ts';

/** ms that an opening waits for the standing stream, so that no early notice is missed. */
const streamTime = 250;
const maxSubscriptions = 10_000;

export class OldConnection implements Connection, OldCallHost {
  readonly era = 'old';
  readonly client: HttpClient;
  readonly inbox: Inbox;
  readonly #shared: Shared;
  readonly #key: LeaseKey;
  readonly #gate: EventGate;
  readonly #release: () => Promise<void>;
  #session: OldSession | undefined;
  #stream: StandingStream | undefined;
  #renewal: Promise<boolean> | undefined;
  /** What a new session must be told again. */
  #logLevel: JsonObject | undefined;
  readonly #subscriptions = new Map<string, JsonObject>();

  private constructor({ shared, client, key, gate }: Door) {
    this.client = client;
    this.#shared = shared;
    this.#key = key;
    this.#gate = gate;
    this.inbox = new Inbox({
      settings: client.settings,
      log: shared.log,
      gate,
      key,
      respond: (response) => void this.#post(response),
    });
    this.#release = shared.use();
  }

  static open(door: Door, attempt: Attempt): Promise<OldConnection> {
    const connection = new OldConnection(door);
    return opened(door, connection, () => connection.#begin(attempt));
  }

  get info(): ServerInfo {
    return this.session.info;
  }

  get session(): OldSession {
    if (this.#session === undefined) throw new Error('the session is not open yet');
    return this.#session;
  }

  send(call: UpstreamCall): void {
    // Written before it is taken in: params that cannot be written leave nothing behind.
    const posted = new OldCall(this, call);
    if (!this.inbox.add(call)) return;
    this.#remember(call);
    if (this.#renewal === undefined) posted.post();
    else void this.#renewal.then(() => posted.post());
  }

  notify(method: string, params?: JsonObject): void {
    void this.tell(method, params);
  }

  tell(method: string, params?: object): Promise<unknown> {
    const message = {
      jsonrpc: '2.0',
      method,
      ...(params === undefined ? {} : { params: params as JsonObject }),
    } as const;
    return this.#post(message);
  }

  /** The old era announces changes without being asked. */
  listen(_filter: ListenFilter): void {}

  renew(forgotten: OldSession): Promise<boolean> {
    // Another call may have noticed before this one.
    if (this.inbox.ended !== undefined || forgotten !== this.#session)
      return Promise.resolve(this.inbox.ended === undefined);
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async close(): Promise<void> {
    this.#gate.shut();
    this.#end(stopped(this.client.settings.name));
    if (this.#session !== undefined) await deleteSession(this.client, this.#session);
    this.client.abortAll(new Error('closed'));
    await this.#release();
  }

  async #begin(attempt: Attempt): Promise<void> {
    const session = await openSession(this.client, this.#key, attempt, (bytes) => this.inbox.text(bytes));
    this.#session = session;
    const stream = new StandingStream({
      client: this.client,
      log: this.#shared.log,
      session,
      text: (bytes) => this.inbox.text(bytes),
      expired: () => void this.renew(session),
      lost: (why) => this.#lost(new Error(why)),
    });
    this.#stream = stream;
    const abort = new AbortController();
    await Promise.race([stream.start(), pause(streamTime, abort.signal)]);
    abort.abort();
  }

  async #renew(): Promise<boolean> {
    const { name } = this.client.settings;
    this.#shared.log.info(`server "${name}" has forgotten its session; opening another`, { server: name });
    this.#stream?.stop();
    const limits = attemptAt({ shared: this.#shared, settings: this.client.settings }, new AbortController().signal);
    try {
      await Attempt.during(limits, async (attempt) => {
        await this.#begin(attempt);
        await this.#tellAgain(attempt.signal);
      });
    } catch (error) {
      this.#lost(error as Error);
      return false;
    }
    if (this.inbox.ended !== undefined) {
      this.#stream?.stop();
      return false;
    }
    // A server that lost its sessions was probably restarted, perhaps with other tools.
    for (const kind of ['tools', 'prompts', 'resources']) {
      if (kind in this.session.info.capabilities)
        this.#gate.notification({ jsonrpc: '2.0', method: `notifications/${kind}/list_changed` });
    }
    return true;
  }

  /** Log level and subscriptions were the old session's. */
  async #tellAgain(signal: AbortSignal): Promise<void> {
    const requests: [string, JsonObject][] = [...this.#subscriptions.values()].map((params) => [
      'resources/subscribe',
      params,
    ]);
    if (this.#logLevel !== undefined) requests.push(['logging/setLevel', this.#logLevel]);
    for (const [method, params] of requests) {
      const request = { jsonrpc: '2.0', id: ownId(), method, params } as const;
      await this.client.roundTrip(request, this.session.postHeaders, signal, (bytes) => this.inbox.text(bytes));
    }
  }

  #remember({ method, params }: UpstreamCall): void {
    const uri = String(params?.['uri']);
    if (method === 'logging/setLevel') this.#logLevel = params;
    else if (method === 'resources/unsubscribe') this.#subscriptions.delete(uri);
    else if (method === 'resources/subscribe' && params !== undefined && this.#subscriptions.size < maxSubscriptions) {
      this.#subscriptions.set(uri, params);
    }
  }

  async #post(message: RpcMessage): Promise<void> {
    if (this.inbox.ended !== undefined) return;
    const headers = this.#session?.postHeaders ?? this.client.postHeaders;
    const reply = await this.client.control({ method: 'POST', headers, body: JSON.stringify(message) });
    if (reply.error === undefined && reply.status < 300) return;
    const what = 'method' in message ? message.method : 'an answer';
    if (this.inbox.ended === undefined)
      this.inbox.warn(`did not take ${what} (${reply.error?.message ?? `HTTP ${reply.status}`})`);
  }

  #lost(reason: Error): void {
    if (this.inbox.ended !== undefined) return;
    this.#end(new CallFailure('gone', reason.message));
    this.client.abortAll(reason);
    void this.#release();
    this.#gate.closed(reason);
  }

  #end(failure: CallFailure): void {
    this.inbox.end(failure);
    this.#stream?.stop();
  }
}
