// What servers offered last, kept in the store: a restarted proxy lists at once what it listed before, while its servers come up.
import type { Catalogue } from './catalogue.ts';
import type { ServerDefinition, ServerInfo } from './connection.ts';
import { freezeDeep } from './freeze.ts';
import type { Remembered } from './servers.ts';
import type { Server } from './server.ts';
import type { Store, Stores } from './store.ts';

/** What is kept of one server. */
interface Kept {
  readonly fingerprint: string;
  readonly info: ServerInfo;
  readonly catalogue: Catalogue;
}

/** Changes are collected for so long (ms) before they are written: a starting server tells of several. */
const debounce = 100;

/** The last catalogue of every server that says by a fingerprint what it is made of. */
export class KnownCatalogues implements Remembered {
  readonly #store: Store<Kept>;
  readonly #kept: Map<string, Kept>;
  readonly #report: (error: unknown) => void;
  readonly #waiting = new Set<Server>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(store: Store<Kept>, kept: Map<string, Kept>, report: (error: unknown) => void) {
    this.#store = store;
    this.#kept = kept;
    this.#report = report;
  }

  /** Reads what is kept. */
  static async open(stores: Stores, report: (error: unknown) => void): Promise<KnownCatalogues> {
    const store = await stores.open<Kept>('catalogues', { version: 1 });
    const entries = await store.list('');
    return new KnownCatalogues(store, new Map(entries.map(({ key, value }) => [key, freezeDeep(value)])), report);
  }

  /** What a server offered, unless it was another server by that name. */
  recall(definition: ServerDefinition): { readonly catalogue: Catalogue; readonly info: ServerInfo } | undefined {
    const kept = this.#kept.get(keyOf(definition));
    return kept !== undefined && kept.fingerprint === definition.fingerprint ? kept : undefined;
  }

  /** Notes that a server's lists may have changed. */
  changed(server: Server): void {
    if (server.definition.fingerprint === undefined || server.state !== 'ready') return;
    this.#waiting.add(server);
    this.#timer ??= setTimeout(() => void this.flush(), debounce);
  }

  /** Forgets a server that only one grant had. */
  forget(definition: ServerDefinition): void {
    if (definition.owner === undefined || !this.#kept.delete(keyOf(definition))) return;
    this.#then(() => this.#store.delete(keyOf(definition)));
  }

  /** Resolves when everything noted is kept. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { definition, catalogue, info } of this.#waiting) {
      const { fingerprint } = definition;
      if (fingerprint === undefined || info === undefined) continue;
      const key = keyOf(definition);
      const next: Kept = { fingerprint, info, catalogue };
      if (JSON.stringify(next) === JSON.stringify(this.#kept.get(key))) continue;
      this.#kept.set(key, next);
      this.#then(() => this.#store.set(key, next));
    }
    this.#waiting.clear();
    await this.#writing;
  }

  #then(write: () => Promise<unknown>): void {
    this.#writing = this.#writing.then(write).then(() => {}, this.#report);
  }
}

function keyOf({ owner, name }: ServerDefinition): string {
  return owner === undefined ? name : `${name} of ${owner}`;
}
