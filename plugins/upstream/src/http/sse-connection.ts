// An open connection over the HTTP+SSE transport of 2024-11-05: one event stream for everything the server says, POSTs for what we say.
import { CallFailure, initializeParams, ownCaller, readInitialize, Throttle, UpstreamCall } from 'plugboard';
import type { Connection, EventGate, JsonObject, LeaseKey, ListenFilter, RpcMessage, ServerInfo } from 'plugboard';
import type { Attempt } from '../attempt.ts';
import type { Shared } from '../shared.ts';
import type { HttpClient } from './client.ts';
import type { Reply } from './exchange.ts';
import { explain } from './failures.ts';
import { Inbox } from './inbox.ts';

export class SseConnection implements Connection {
  readonly era = 'old';
  readonly #client: HttpClient;
  readonly #gate: EventGate;
  readonly #inbox: Inbox;
  readonly #rubbish: Throttle;
  readonly #release: () => Promise<void>;
  #endpoint = '';
  #versionHeaders: readonly string[] = [];
  #info: ServerInfo | undefined;
  #ended: CallFailure | undefined;
  #onEndpoint: (path: string) => void = () => {};
  #onBroken: (error: Error) => void = () => {};

  private constructor(shared: Shared, client: HttpClient, gate: EventGate) {
    this.#client = client;
    this.#gate = gate;
    const { name, redact } = client.settings;
    this.#rubbish = new Throttle(shared.log, name);
    this.#inbox = new Inbox({
      gate,
      respond: (response) => void this.#post(response),
      rubbish: (what) => this.#ended ?? this.#rubbish.warn(redact(what)),
    });
    this.#release = shared.use();
  }

  static async open(
    shared: Shared,
    client: HttpClient,
    key: LeaseKey,
    gate: EventGate,
    attempt: Attempt,
  ): Promise<SseConnection> {
    const connection = new SseConnection(shared, client, gate);
    try {
      connection.#endpoint = await attempt.race(connection.#connect());
      await attempt.race(connection.#initialize(key));
    } catch (error) {
      await connection.close();
      throw error;
    }
    gate.open();
    return connection;
  }

  get info(): ServerInfo {
    if (this.#info === undefined) throw new Error('the connection is not open yet');
    return this.#info;
  }

  send(call: UpstreamCall): void {
    if (this.#ended !== undefined) {
      call.fail(this.#ended);
      return;
    }
    this.#inbox.add(call);
    call.onCancel = (reason) => {
      this.#inbox.drop(call);
      this.notify('notifications/cancelled', { requestId: call.id, reason: reason.message });
    };
    const message = { jsonrpc: '2.0', id: call.id, method: call.method, params: call.params };
    void this.#post(message as RpcMessage, 'calls').then((reply) => {
      if (reply.error === undefined && reply.status < 300) return;
      this.#inbox.fail(call, new CallFailure('gone', explain(this.#client.settings, reply)));
    });
  }

  notify(method: string, params?: JsonObject): void {
    if (this.#ended === undefined)
      void this.#post(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params });
  }

  listen(_filter: ListenFilter): void {}

  close(): Promise<void> {
    this.#gate.shut();
    this.#end(new CallFailure('gone', `server "${this.#client.settings.name}" was stopped`));
    return this.#release();
  }

  /** Opens the stream; resolves with the path to post to, which its first event tells. */
  #connect(): Promise<string> {
    const { settings, streamHeaders } = this.#client;
    return new Promise((resolve, reject) => {
      this.#onEndpoint = resolve;
      this.#onBroken = reject;
      const stream = this.#client.stream(
        { method: 'GET', headers: streamHeaders },
        {
          text: (bytes) => this.#inbox.text(bytes),
          event: (type, data) => type === 'endpoint' && this.#takeEndpoint(data.toString('utf8')),
          done: (reply) => this.#broken(reply),
        },
      );
      if (stream === undefined)
        reject(new Error(`server "${settings.name}": too many streams are open to ${settings.origin}`));
    });
  }

  /** The address must be on the same origin: our credentials go there. */
  #takeEndpoint(address: string): void {
    const { settings } = this.#client;
    const url = URL.canParse(address, settings.origin + settings.path)
      ? new URL(address, settings.origin + settings.path)
      : undefined;
    if (url?.origin === settings.origin) this.#onEndpoint(url.pathname + url.search);
    else
      this.#onBroken(
        new Error(
          `server "${settings.name}" wants messages sent to another origin; that is refused. Correct mcpServers.${settings.name}.url`,
        ),
      );
  }

  async #initialize(key: LeaseKey): Promise<void> {
    const forEver = Number.POSITIVE_INFINITY;
    const params = initializeParams(key);
    const call = new UpstreamCall({
      method: 'initialize',
      params,
      caller: ownCaller,
      timeout: forEver,
      maxTimeout: forEver,
    });
    this.send(call);
    const answer = await call.answer;
    this.#info = readInitialize(this.#client.settings.name, answer.message);
    this.#versionHeaders = ['mcp-protocol-version', this.#info.protocolVersion];
    const reply = await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    if (reply.error !== undefined || reply.status >= 300) throw new Error(explain(this.#client.settings, reply));
  }

  /** Calls go in a lane of their own: some servers answer the POST only when the call is done. */
  #post(message: RpcMessage, lane: 'calls' | 'control' = 'control'): Promise<Reply> {
    const headers = [...this.#client.postHeaders, ...this.#versionHeaders];
    const body = JSON.stringify(message);
    return new Promise((resolve) => {
      this.#client.request({ method: 'POST', lane, path: this.#endpoint, headers, body }, { done: resolve });
    });
  }

  #broken(reply: Reply): void {
    const { settings } = this.#client;
    const ended = reply.streamed && reply.error === undefined;
    const why = new Error(ended ? `server "${settings.name}" ended its event stream` : explain(settings, reply));
    this.#onBroken(why);
    this.#end(new CallFailure('gone', why.message));
    this.#gate.closed(why);
  }

  #end(failure: CallFailure): void {
    if (this.#ended !== undefined) return;
    this.#ended = failure;
    this.#inbox.failAll(failure);
    this.#rubbish.end();
    this.#client.abortAll(failure);
    void this.#release();
  }
}
