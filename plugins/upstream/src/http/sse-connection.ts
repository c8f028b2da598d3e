// An open connection over the HTTP+SSE transport of 2024-11-05: one event stream for everything the server says, POSTs for what we say.
import { CallFailure, initializeParams, ownCall, readInitialize, stopped } from 'plugboard';
import type {
  Attempt,
  Connection,
  EventGate,
  JsonObject,
  LeaseKey,
  ListenFilter,
  RpcMessage,
  ServerInfo,
  UpstreamCall,
} from 'plugboard';
import type { HttpClient } from './client.ts';
import { opened } from './door.ts';
import type { Door } from './door.ts';
import type { Reply } from './exchange.ts';
import { explain } from './failures.ts';
import { Inbox } from './inbox.ts';

export class SseConnection implements Connection {
  readonly era = 'old';
  readonly #client: HttpClient;
  readonly #gate: EventGate;
  readonly #inbox: Inbox;
  readonly #release: () => Promise<void>;
  #endpoint = '';
  #versionHeaders: readonly string[] = [];
  #info: ServerInfo | undefined;
  #onEndpoint: (path: string) => void = () => {};
  #onBroken: (error: Error) => void = () => {};

  private constructor({ shared, client, key, gate }: Door) {
    this.#client = client;
    this.#gate = gate;
    this.#inbox = new Inbox({
      settings: client.settings,
      log: shared.log,
      gate,
      key,
      respond: (response) => void this.#post(response),
    });
    this.#release = shared.use();
  }

  static open(door: Door, attempt: Attempt): Promise<SseConnection> {
    const connection = new SseConnection(door);
    return opened(door, connection, async () => {
      connection.#endpoint = await attempt.race(connection.#connect());
      await attempt.race(connection.#initialize(door.key));
    });
  }

  get info(): ServerInfo {
    if (this.#info === undefined) throw new Error('the connection is not open yet');
    return this.#info;
  }

  send(call: UpstreamCall): void {
    // Written before it is taken in: params that cannot be written leave nothing behind.
    const body = JSON.stringify({ jsonrpc: '2.0', id: call.id, method: call.method, params: call.params });
    if (!this.#inbox.add(call)) return;
    call.onCancel = (reason) => {
      this.#inbox.drop(call);
      this.notify('notifications/cancelled', { requestId: call.id, reason: reason.message });
    };
    void this.#postText(body, 'calls').then((reply) => {
      if (reply.error === undefined && reply.status < 300) return;
      this.#inbox.fail(call, new CallFailure('gone', explain(this.#client.settings, reply)));
    });
  }

  notify(method: string, params?: JsonObject): void {
    if (this.#inbox.ended === undefined)
      void this.#post(params === undefined ? { jsonrpc: '2.0', method } : { jsonrpc: '2.0', method, params });
  }

  listen(_filter: ListenFilter): void {}

  close(): Promise<void> {
    this.#gate.shut();
    this.#end(stopped(this.#client.settings.name));
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
    const call = ownCall('initialize', initializeParams(key));
    this.send(call);
    const answer = await call.answer;
    this.#info = readInitialize(this.#client.settings.name, answer.message);
    this.#versionHeaders = ['mcp-protocol-version', this.#info.protocolVersion];
    const reply = await this.#post({ jsonrpc: '2.0', method: 'notifications/initialized' });
    if (reply.error !== undefined || reply.status >= 300) throw new Error(explain(this.#client.settings, reply));
  }

  #post(message: RpcMessage): Promise<Reply> {
    return this.#postText(JSON.stringify(message), 'control');
  }

  /** Calls go in a lane of their own: some servers answer the POST only when the call is done. */
  #postText(body: string, lane: 'calls' | 'control'): Promise<Reply> {
    const headers = [...this.#client.postHeaders, ...this.#versionHeaders];
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
    if (!this.#inbox.end(failure)) return;
    this.#client.abortAll(failure);
    void this.#release();
  }
}
