// An open connection to an HTTP server of the new era (2026-07-28): no session, a POST per request, one listen stream.
import { Answer, CallFailure, isObject, metaKey, metaOf, newVersion, StandingRequest, stopped } from 'plugboard';
import type {
  Connection,
  EventGate,
  JsonObject,
  ListenFilter,
  ListenSink,
  RpcMessage,
  RpcRequest,
  ServerInfo,
  Tool,
  UpstreamCall,
} from 'plugboard';
import { errorIn } from './client.ts';
import type { HttpClient, Posted } from './client.ts';
import type { Door } from './door.ts';
import type { Reply, ReplySink, Sent } from './exchange.ts';
import { explain, isLost, isRepeatable, isUnreachable } from './failures.ts';
import { Inbox } from './inbox.ts';
import { callHeaders, declaresHeaders, forwardsHeaders, mirrorHeaders } from './mirror-headers.ts';

const maxUnreachable = 5;

export class NewConnection implements Connection {
  readonly era = 'new';
  readonly info: ServerInfo;
  readonly #client: HttpClient;
  readonly #gate: EventGate;
  readonly #inbox: Inbox;
  readonly #standing: StandingRequest;
  readonly #release: () => Promise<void>;
  #unreachable = 0;

  constructor({ shared, client, key, gate }: Door, info: ServerInfo) {
    this.info = info;
    this.#client = client;
    this.#gate = gate;
    const { settings } = client;
    this.#inbox = new Inbox({ settings, log: shared.log, gate, key });
    this.#standing = new StandingRequest({
      server: settings.name,
      log: shared.log,
      open: (request, sink) => this.#listen(request, sink),
      notify: (message) => gate.notification(message),
    });
    this.#release = shared.use();
    gate.open();
  }

  send(call: UpstreamCall): void {
    // Written before it is taken in: params that cannot be written leave nothing behind.
    const sent = new NewCall(this.#client, this.#inbox, call);
    if (this.#inbox.add(call)) sent.post();
  }

  /** The new era has no notifications of the client over HTTP. */
  notify(_method: string, _params?: JsonObject): void {}

  listen(filter: ListenFilter): void {
    this.#standing.set(filter);
  }

  close(): Promise<void> {
    this.#gate.shut();
    this.#end(stopped(this.#client.settings.name));
    return this.#release();
  }

  #listen(request: RpcRequest, sink: ListenSink): () => void {
    const headers = [
      ...this.#client.postHeaders,
      'mcp-protocol-version',
      newVersion,
      ...mirrorHeaders(request.method, request.params),
    ];
    const stream = this.#client.stream(
      { method: 'POST', headers, body: JSON.stringify(request) },
      {
        text: (bytes) => {
          const message = objectIn(bytes);
          if (message === undefined) this.#inbox.warn('sent something on its listen stream that is not JSON');
          else sink.message(message as unknown as RpcMessage);
        },
        done: (reply) => this.#listenEnded(reply, sink),
      },
    );
    if (stream === undefined) setImmediate(() => sink.ended('too many streams are open', false));
    return () => stream?.abort(new Error('no longer needed'));
  }

  #listenEnded(reply: Reply, sink: ListenSink): void {
    if (this.#inbox.ended !== undefined) return;
    const why = reply.streamed ? 'the stream ended' : explain(this.#client.settings, reply);
    this.#unreachable = isUnreachable(reply.error) ? this.#unreachable + 1 : 0;
    if (this.#unreachable >= maxUnreachable) {
      this.#end(new CallFailure('gone', why));
      this.#gate.closed(new Error(why));
      return;
    }
    const { status } = reply;
    sink.ended(why, reply.error === undefined && !reply.streamed && status < 500 && status !== 429 && status !== 408);
  }

  #end(failure: CallFailure): void {
    if (!this.#inbox.end(failure)) return;
    this.#standing.close();
    this.#client.abortAll(failure);
    void this.#release();
  }
}

/** One call: its answer is JSON, or an event stream that ends with it. */
class NewCall implements ReplySink {
  readonly #client: HttpClient;
  readonly #inbox: Inbox;
  readonly #call: UpstreamCall;
  readonly #posted: Posted;
  #sent: Sent | undefined;
  #repeated = false;

  constructor(client: HttpClient, inbox: Inbox, call: UpstreamCall) {
    this.#client = client;
    this.#inbox = inbox;
    this.#call = call;
    const { id, method, params } = call;
    const { headers, more } = headersOf(call, client.postHeaders);
    this.#posted = {
      method: 'POST',
      lane: 'calls',
      headers,
      more,
      body: JSON.stringify({ jsonrpc: '2.0', id, method, params }),
    };
    // Closing the stream is the cancellation in this era.
    call.onCancel = (reason) => {
      inbox.drop(call);
      this.#sent?.abort(new Error(reason.message));
    };
  }

  post(): void {
    this.#sent = this.#client.request(this.#posted, this);
  }

  text(bytes: Buffer): void {
    this.#inbox.text(bytes, this.#call);
    if (this.#call.done && this.#sent !== undefined && !this.#sent.ended) this.#client.linger(this.#sent);
  }

  done(reply: Reply): void {
    if (this.#call.done) return;
    if (isLost(reply) && !this.#repeated && isRepeatable(this.#call)) {
      this.#repeated = true;
      this.post();
      return;
    }
    const error = reply.status >= 400 ? errorIn(reply.text) : undefined;
    if (error !== undefined && reply.status !== 401 && reply.status !== 403) {
      this.#inbox.drop(this.#call);
      this.#call.resolve(Answer.parsed(error, reply.status));
      return;
    }
    const { settings } = this.#client;
    const early = reply.streamed && reply.error === undefined;
    const why = early
      ? `server "${settings.name}" ended its answer to ${this.#call.method} early: try again`
      : explain(settings, reply);
    this.#inbox.fail(this.#call, new CallFailure('gone', why));
  }
}

type CallHeaders = Pick<Posted, 'headers'> & { readonly more: readonly string[] | undefined };

/** By a tool and the headers of every POST: all headers of its calls, where they are the same for each. */
const constant = new WeakMap<Tool, { readonly common: readonly string[]; readonly headers: readonly string[] }>();

function headersOf(call: UpstreamCall, common: readonly string[]): CallHeaders {
  const { tool, params } = call;
  const version = metaOf(params)?.[metaKey.protocolVersion] ?? newVersion;
  const same = version === newVersion && call.method === 'tools/call' && params?.['name'] === tool?.name;
  const known = tool === undefined || !same || forwardsHeaders(call) ? undefined : constant.get(tool);
  if (known?.common === common) return { headers: known.headers, more: undefined };
  const more = ['mcp-protocol-version', typeof version === 'string' ? version : newVersion, ...callHeaders(call)];
  if (tool === undefined || !same || forwardsHeaders(call) || declaresHeaders(tool)) return { headers: common, more };
  const headers = [...common, ...more];
  constant.set(tool, { common, headers });
  return { headers, more: undefined };
}

function objectIn(bytes: Buffer): JsonObject | undefined {
  try {
    const message: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}
