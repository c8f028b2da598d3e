// Streams of change notices that new-era clients open (2026-07-28, `subscriptions/listen`). Who is told of what: `listeners.ts`.
import type { Exchange } from './exchange.ts';
import { acknowledgement, readFilter, streamListener } from './listeners.ts';
import type { Listeners, ListenWishes } from './listeners.ts';
import { Answer } from './protocol/answer.ts';
import { metaKey, rpcCode } from './protocol/messages.ts';
import type { Implementation, RpcNotification } from './protocol/messages.ts';
import type { Requests } from './requests.ts';

export interface StreamParts {
  readonly listeners: Listeners;
  readonly requests: Requests;
  readonly serverInfo: Implementation;
  readonly report: (error: unknown) => void;
}

/** Opens streams and ends them. */
export class Streams {
  readonly #parts: StreamParts;

  constructor(parts: StreamParts) {
    this.#parts = parts;
  }

  /** Answers `subscriptions/listen`; the stream stays open until the client closes it, the session ends, or there is nothing to tell of. */
  async open(exchange: Exchange): Promise<void> {
    const wishes = readFilter(exchange.request.params?.['notifications']);
    if (wishes === undefined) {
      exchange.answer(Answer.error(rpcCode.invalidParams, 'subscriptions/listen needs params.notifications'));
      return;
    }
    await this.#open(exchange, wishes);
  }

  async #open(exchange: Exchange, wishes: ListenWishes): Promise<void> {
    const { listeners, requests, serverInfo, report } = this.#parts;
    const { session, request, view, signal, caller } = exchange;
    const early = new EarlyNotices();
    let ended = false;
    const end = () => {
      if (ended) return;
      ended = true;
      signal.removeEventListener('abort', end);
      listeners.delete(ear);
      requests.subscriptions.release(ear, caller);
      const meta = { [metaKey.subscriptionId]: request.id, [metaKey.serverInfo]: serverInfo };
      exchange.answer(Answer.result({ resultType: 'complete', _meta: meta }));
    };
    const notify = (message: RpcNotification) => early.keep(message) || exchange.notify(message);
    const ear = streamListener({ session, view, caller, wishes, notify, id: request.id, end });
    listeners.add(ear);
    // Before anything is waited for: whoever leaves while a server is being opened would never be forgotten.
    signal.addEventListener('abort', end);
    // A change between our word and the server's would be lost: it is asked first.
    if (wishes.uris.size > 0) await requests.subscriptions.watch(exchange, wishes.uris, ear).catch(report);
    if (ended) return;
    const honoured = { ...wishes.lists };
    if (ear.uris.size > 0) honoured['resourceSubscriptions'] = [...ear.uris.keys()];
    exchange.notify(acknowledgement(honoured, request.id));
    for (const message of early.release()) exchange.notify(message);
    if (Object.keys(honoured).length === 0) end();
  }
}

/** What a stream is told before it is acknowledged: the acknowledgement comes first, and each change once. */
class EarlyNotices {
  #kept: Map<string, RpcNotification> | undefined = new Map();

  /** False when the stream is acknowledged and the message is to be sent. */
  keep(message: RpcNotification): boolean {
    this.#kept?.set(`${message.method} ${String(message.params?.['uri'])}`, message);
    return this.#kept !== undefined;
  }

  release(): Iterable<RpcNotification> {
    const kept = this.#kept?.values() ?? [];
    this.#kept = undefined;
    return kept;
  }
}
