// The service `store` over one folder: the lock, the namespaces that are open, sharing within this process. A namespace itself is namespace.ts.
import { join } from 'node:path';
import { realpath } from 'node:fs/promises';
import type { Log, Storable, Store, Stores, StoreSchema } from 'plugboard';
import { makePrivateFolder } from './durable-file.ts';
import { FolderLock } from './folder-lock.ts';
import { Namespace } from './namespace.ts';
import type { Place } from './namespace-files.ts';
import type { Settings } from './settings.ts';
import { NamespaceStore } from './store.ts';

/** ms to wait for another process that is just ending. */
const patience = 2000;

const namespaceName = /^[a-z0-9][a-z0-9._-]{0,63}$/;

export class StateFolder implements Stores {
  readonly #place: Place;
  readonly #lock: FolderLock;
  /** By name, the last attempt to open it; undefined when none has succeeded. */
  readonly #namespaces = new Map<string, Promise<Namespace | undefined>>();
  #closed = false;

  private constructor(place: Place, lock: FolderLock) {
    this.#place = place;
    this.#lock = lock;
  }

  /** Opens a folder, which must exist. Rejects when another process has it. */
  static async open(folder: string, settings: Settings, log: Log): Promise<StateFolder> {
    const lock = await FolderLock.take(join(folder, 'lock'), patience);
    return new StateFolder({ folder, settings, log, guard: () => lock.guard() }, lock);
  }

  /** From now on these settings hold, for open namespaces too. */
  use(settings: Settings, log: Log): void {
    this.#place.settings = settings;
    this.#place.log = log;
  }

  async open<Value = Storable>(name: string, schema: StoreSchema = { version: 1 }): Promise<Store<Value>> {
    if (typeof name !== 'string' || !namespaceName.test(name)) {
      throw new TypeError(`namespace ${JSON.stringify(name)}: must match ${namespaceName.source}`);
    }
    if (!Number.isSafeInteger(schema.version) || schema.version < 1) {
      throw new TypeError(`namespace "${name}": schema version ${schema.version} is no whole number from 1`);
    }
    if (this.#closed) throw new Error(`namespace "${name}": the store has been stopped`);
    const before = this.#namespaces.get(name);
    const opened = this.#enter(before, name, schema);
    this.#namespaces.set(
      name,
      opened.catch(() => before),
    );
    return new NamespaceStore<Value>(await opened, schema.version, () => this.#place.log);
  }

  async close(): Promise<void> {
    this.#closed = true;
    try {
      const namespaces = await Promise.all(this.#namespaces.values());
      await Promise.all(namespaces.map(async (each) => each?.close()));
    } finally {
      await this.#lock.release();
    }
  }

  /** Opens a namespace, or brings the open one to this schema. One after the other: all of them mean the same files. */
  async #enter(
    before: Promise<Namespace | undefined> | undefined,
    name: string,
    schema: StoreSchema,
  ): Promise<Namespace> {
    const open = await before;
    if (open === undefined) return Namespace.open(name, this.#place, schema);
    await open.migrate(schema);
    return open;
  }
}

interface Shared {
  folder: Promise<StateFolder>;
  users: number;
}

const shared = new Map<string, Shared>();

/**
 * Opens a folder for one more user in this process: when the plugin's options change, its new instance is there before the old one
 * stops, and stores that other plugins hold go on working. The newest user's settings hold. The last `release` closes the folder.
 */
export async function openShared(
  path: string,
  settings: Settings,
  log: Log,
): Promise<{ stores: Stores; release: () => Promise<void> }> {
  await makePrivateFolder(path);
  const folder = await realpath(path);
  const entry = shared.get(folder) ?? { folder: StateFolder.open(folder, settings, log), users: 0 };
  shared.set(folder, entry);
  entry.users += 1;
  const release = async () => {
    entry.users -= 1;
    if (entry.users > 0) return;
    if (shared.get(folder) === entry) shared.delete(folder);
    await (await entry.folder).close();
  };
  try {
    const stores = await entry.folder;
    stores.use(settings, log);
    return { stores, release };
  } catch (error) {
    await release().catch(() => {});
    throw error;
  }
}
