// Streams of change notices that new-era clients open (2026-07-28, `subscriptions/listen`). Who is told of what: `listeners.ts`.
import type { Exchange } from './exchange.ts';
import { acknowledgement, readFilter, streamListener } from './listeners.ts';
import type { Listeners } from './listeners.ts';
import { Answer } from './protocol/answer.ts';
import { metaKey, rpcCode } from './protocol/messages.ts';
import type { Implementation } from './protocol/messages.ts';
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

  /** Answers `subscriptions/listen`; the stream stays open until the client closes it, the session ends, or nothing was asked for. */
  async open(exchange: Exchange): Promise<void> {
    const { listeners, requests, serverInfo, report } = this.#parts;
    const { session, request, view, reply, signal } = exchange;
    const filter = readFilter(request.params?.['notifications']);
    if (filter === undefined) {
      exchange.answer(Answer.error(rpcCode.invalidParams, 'subscriptions/listen needs params.notifications'));
      return;
    }
    let unwatch = () => {};
    const end = () => {
      listeners.delete(ear);
      unwatch();
      signal.removeEventListener('abort', end);
      const meta = { [metaKey.subscriptionId]: request.id, [metaKey.serverInfo]: serverInfo };
      exchange.answer(Answer.result({ resultType: 'complete', _meta: meta }));
    };
    const ear = streamListener({ session, view, filter, reply, id: request.id, end });
    listeners.add(ear);
    if (filter.uris.size > 0) {
      // A change between our word and the server's would be lost: it is asked first.
      unwatch = await requests.watch(exchange, filter.uris, ear).catch((error: unknown) => {
        report(error);
        return () => {};
      });
      if (signal.aborted) return unwatch();
    }
    exchange.notify(acknowledgement(filter, request.id));
    if (Object.keys(filter.acknowledged).length === 0) end();
    else signal.addEventListener('abort', end);
  }
}
