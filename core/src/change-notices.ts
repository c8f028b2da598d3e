// What the connections of a new-era server are asked to tell of: changed lists, and the resources that somebody watches. Who hears of it: `listeners.ts`.
import type { Connection, ListenFilter } from './connection.ts';
import { listKinds, listMethods } from './protocol/methods.ts';

export interface ChangeNoticesInit {
  /** Which resources of the server anybody wants to hear of now. */
  watched(): readonly string[];
  /** Something about the server for the log, in words that go on from its name. */
  warn(what: string): void;
}

/** What each connection of one server has been asked to tell of. */
export class ChangeNotices {
  readonly #init: ChangeNoticesInit;
  #uris: readonly string[] = [];
  /** By connection: the filter that it was given last, as JSON. */
  readonly #asked = new WeakMap<Connection, string>();

  constructor(init: ChangeNoticesInit) {
    this.#init = init;
  }

  /** A connection is open. What is watched is found out anew: who watches may have begun before there was this server. */
  opened(connection: Connection): void {
    if (connection.era !== 'new') return;
    this.#uris = this.#init.watched();
    this.#ask(connection);
  }

  /** What is watched has changed: all open connections are asked again. */
  changed(uris: readonly string[], connections: readonly Connection[]): void {
    this.#uris = uris;
    for (const connection of connections) this.#ask(connection);
  }

  /** Says nothing twice; says that it is nothing any more, when it was something. */
  #ask(connection: Connection): void {
    const filter = this.#filterFor(connection);
    const text = JSON.stringify(filter);
    if (text === (this.#asked.get(connection) ?? '{}')) return;
    try {
      connection.listen(filter);
      this.#asked.set(connection, text);
    } catch (error) {
      // Connections are plugins' code; calls go on without notices.
      this.#init.warn(`cannot be asked to tell of changes: ${String(error)}`);
    }
  }

  #filterFor({ info }: Connection): ListenFilter {
    const filter: ListenFilter = {};
    for (const kind of listKinds) {
      const { capability, filter: member } = listMethods[kind];
      if (info.capabilities[capability]?.['listChanged'] === true) filter[member] = true;
    }
    if (this.#uris.length > 0) filter.resourceSubscriptions = [...this.#uris];
    return filter;
  }
}
