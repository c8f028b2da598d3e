// A child and the JSON-RPC conversation with it, before and after its era is known. Which messages open a server is in `open.ts`.
import {
  CallFailure,
  findResponseId,
  gone,
  isObject,
  metaKey,
  metaOf,
  ownCaller,
  Peer,
  Throttle,
  UpstreamCall,
} from 'plugboard';
import type { EventGate, JsonObject, RpcMessage, RpcResponse } from 'plugboard';
import type { ListenSink } from '../listener.ts';
import type { StdioSettings } from '../settings.ts';
import type { Shared } from '../shared.ts';
import { Child } from './child.ts';

export class StdioChannel {
  readonly peer: Peer;
  /** Resolves with the reason when the process is gone. */
  readonly ended: Promise<string>;
  readonly #settings: StdioSettings;
  readonly #child: Child;
  readonly #listens = new Map<string, ListenSink>();
  readonly #release: () => Promise<void>;
  #closing = false;

  constructor(shared: Shared, settings: StdioSettings, gate: EventGate) {
    this.#settings = settings;
    const rubbish = new Throttle(shared.log, settings.name);
    this.peer = new Peer({
      send: (message) => this.write(message),
      notification: (message) => gate.notification(message),
      request: (message) => gate.request(message),
      rubbish: (what) => this.#closing || rubbish.warn(settings.redact(`wrote ${what}`)),
    });
    let tellEnd: (why: string) => void = () => {};
    this.ended = new Promise((resolve) => {
      tellEnd = resolve;
    });
    const { log, watchdog, limits } = shared;
    this.#child = new Child(
      { settings, maxLineBytes: limits.maxMessageBytes, log, watchdog },
      {
        line: (line) => this.#receive(line),
        gone: (why) => {
          rubbish.end();
          this.peer.close(this.#closing ? stopped(settings.name) : gone(settings.name, why));
          tellEnd(why);
          void this.#child.stop().then(() => this.#release());
        },
      },
    );
    this.#release = shared.use();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The last lines of the process's stderr, as the end of a sentence; empty when it wrote nothing. */
  get lastWords(): string {
    const words = this.#child.lastWords;
    return words === '' ? '' : `; its last words: ${words}`;
  }

  write(message: RpcMessage): void {
    this.#child.send(JSON.stringify(message));
  }

  /** A request of our own, without a time limit. Rejects when the process ends first. */
  async ask(method: string, params: JsonObject): Promise<RpcResponse> {
    const forEver = Number.POSITIVE_INFINITY;
    const call = new UpstreamCall({ method, params, caller: ownCaller, timeout: forEver, maxTimeout: forEver });
    this.peer.send(call);
    return (await call.answer).message;
  }

  /** Sends a listen request and hands over what belongs to it; returns how to end it. */
  listen(id: string, request: RpcMessage, sink: ListenSink): () => void {
    this.#listens.set(id, sink);
    this.write(request);
    return () => {
      if (this.#listens.delete(id))
        this.peer.notify('notifications/cancelled', { requestId: id, reason: 'no longer needed' });
    };
  }

  /** Fails open calls and ends the process; resolves when it is gone. */
  async stop(): Promise<void> {
    this.#closing = true;
    this.peer.close(stopped(this.#settings.name));
    await this.#child.stop();
    await this.#release();
  }

  #receive(line: Buffer): void {
    const message = this.#listens.size === 0 || findResponseId(line) !== undefined ? undefined : parsed(line);
    if (message === undefined) this.peer.receiveBytes(line);
    else if (!this.#takenByListen(message)) this.peer.receive(message);
  }

  /** True when a message belongs to a listen request: those have ids of their own kind, which the peer does not know. */
  #takenByListen(message: JsonObject): boolean {
    const params = message['params'];
    const cancelled =
      message['method'] === 'notifications/cancelled' && isObject(params) ? params['requestId'] : undefined;
    const id =
      message['method'] === undefined ? message['id'] : (metaOf(params)?.[metaKey.subscriptionId] ?? cancelled);
    const sink = typeof id === 'string' ? this.#listens.get(id) : undefined;
    sink?.message(message as unknown as RpcMessage);
    return sink !== undefined;
  }
}

/** A line as an object; undefined when it is none. */
function parsed(line: Buffer): JsonObject | undefined {
  try {
    const message: unknown = JSON.parse(line.toString('utf8'));
    return isObject(message) ? message : undefined;
  } catch {
    return undefined;
  }
}

function stopped(server: string): CallFailure {
  return new CallFailure('gone', `server "${server}" was stopped`);
}
