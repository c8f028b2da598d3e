// The service `store`: namespaces, opened once each and migrated when they are. What one does lives in `namespace.ts`.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { Log, Storable, Store, Stores, StoreSchema } from 'plugboard';
import { readContents } from './file.ts';
import { migrate } from './migrate.ts';
import { Namespace } from './namespace.ts';
import type { Limits } from './namespace.ts';

export class FileStores implements Stores {
  readonly #folder: string;
  readonly #limits: Limits;
  readonly #log: Log;
  readonly #open = new Map<string, Promise<Namespace>>();

  constructor(folder: string, limits: Limits, log: Log) {
    this.#folder = folder;
    this.#limits = limits;
    this.#log = log;
  }

  async open<Value = Storable>(name: string, schema: StoreSchema = { version: 1 }): Promise<Store<Value>> {
    if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name))
      throw new TypeError(`namespace ${JSON.stringify(name)}: must match [a-z0-9][a-z0-9._-]{0,63}`);
    const before = this.#open.get(name)?.catch(() => undefined);
    // One after the other: two that open the same namespace at once must not both migrate it.
    const opened = Promise.resolve(before).then((namespace) => this.#prepare(name, schema, namespace));
    this.#open.set(name, opened);
    try {
      return (await opened) as unknown as Store<Value>;
    } catch (error) {
      const kept = await before;
      if (this.#open.get(name) === opened) {
        if (kept === undefined) this.#open.delete(name);
        else this.#open.set(name, Promise.resolve(kept));
      }
      throw error;
    }
  }

  /** Resolves when everything that was written is on the disk. */
  async close(): Promise<void> {
    const open = await Promise.allSettled(this.#open.values());
    await Promise.all(open.flatMap((each) => (each.status === 'fulfilled' ? [each.value.flush()] : [])));
  }

  async #prepare(name: string, schema: StoreSchema, before: Namespace | undefined): Promise<Namespace> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = path.join(this.#folder, `${name}.json`);
    const namespace = before ?? new Namespace(name, file, await readContents(file), this.#limits, this.#log);
    const changes = migrate(name, namespace.contents, schema);
    if (changes !== undefined) await namespace.adopt(changes, schema.version);
    return namespace;
  }
}
