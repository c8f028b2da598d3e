// The catalogue of one connection, kept up to date: change notices are collected for a moment, then each list is fetched once.
import { fetchList } from './catalogue.ts';
import type { Catalogue } from './catalogue.ts';
import type { Connection } from './connection.ts';
import type { ListKind } from './protocol/methods.ts';

const debounce = 60;

export interface LiveCatalogueInit {
  readonly connection: Connection;
  /** What is known until the first fetch. */
  readonly known: Catalogue;
  /** ms for one request. */
  readonly timeout: number;
  readonly changed: (kinds: ReadonlySet<ListKind>) => void;
  readonly warn: (message: string) => void;
}

/** What the server of one connection offers now. */
export class LiveCatalogue {
  readonly connection: Connection;
  current: Catalogue;
  readonly #init: LiveCatalogueInit;
  #stale = new Set<ListKind>();
  #refreshing: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(init: LiveCatalogueInit) {
    this.#init = init;
    this.connection = init.connection;
    this.current = init.known;
  }

  /** Fetches lists now. Rejects when the server does not list. */
  async fetch(kinds: readonly ListKind[]): Promise<void> {
    const { connection, timeout, warn } = this.#init;
    const lists = await Promise.all(
      kinds.map(async (kind) => ({ kind, ...(await fetchList(connection, kind, timeout)) })),
    );
    for (const { dropped } of lists) for (const reason of dropped) warn(`left out ${reason}`);
    const ttls = lists.flatMap(({ ttlMs }) => (ttlMs === undefined ? [] : [ttlMs]));
    const fetched = Object.fromEntries(lists.map(({ kind, items }) => [kind, items]));
    this.current = { ...this.current, ...fetched, ttlMs: ttls.length === 0 ? 0 : Math.min(...ttls) };
  }

  /** Notes that lists have changed. */
  refreshSoon(kinds: readonly ListKind[]): void {
    for (const kind of kinds) this.#stale.add(kind);
    if (this.#refreshing === undefined && !this.#stopped)
      this.#refreshing = setTimeout(() => void this.#refresh(), debounce);
  }

  /** Fetches nothing more. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#refreshing);
  }

  async #refresh(): Promise<void> {
    const kinds = this.#stale;
    this.#stale = new Set();
    try {
      await this.fetch([...kinds]);
      if (!this.#stopped) this.#init.changed(kinds);
    } catch (error) {
      if (!this.#stopped) this.#init.warn(`did not list again, its last lists stay: ${String(error)}`);
    }
    this.#refreshing = undefined;
    if (this.#stale.size > 0) this.refreshSoon([]);
  }
}
