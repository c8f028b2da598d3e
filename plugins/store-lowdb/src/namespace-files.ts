// The files of one namespace: appending to the log, compacting it into the lowdb snapshot, repairs after recovery. What the entries are for is not known here.
import { rename, rm } from 'node:fs/promises';
import { Low } from 'lowdb';
import type { Log, StoreSchema } from 'plugboard';
import type { Change, Contents } from './contents.ts';
import { ignoreMissing, temporaryOf, writeError } from './durable-file.ts';
import { LogFile } from './log-file.ts';
import { changeLines } from './log-format.ts';
import { logGenerations, logPath, recover, snapshotPath } from './recovery.ts';
import type { Recovered } from './recovery.ts';
import type { Settings } from './settings.ts';
import { backupOf, emptySnapshot, SnapshotFile } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';

/** What all namespaces of a folder share. Settings and log may be replaced while the folder is open. */
export interface Place {
  readonly folder: string;
  settings: Settings;
  log: Log;
  /** Rejects when the folder is no longer this process's own. */
  readonly guard: () => Promise<void>;
}

export class NamespaceFiles {
  readonly #place: Place;
  readonly #namespace: string;
  readonly #low: Low<Snapshot>;
  readonly #nothing: Snapshot;
  #schemaVersion: number;
  /** Of the log that is written to; the next snapshot has a higher one. */
  #generation: number;
  /** Of the snapshot that is there: older logs belong to its backup. */
  #base: number;
  #log: LogFile | undefined;
  /** True while the log holds what the snapshot does not. */
  #ahead: boolean;
  /** True when a sync has failed: the log may not be on the disk as it was written. */
  #suspect = false;
  #compaction: Promise<void> | undefined;
  #syncTimer: NodeJS.Timeout | undefined;

  private constructor(place: Place, namespace: string, recovered: Recovered, log: LogFile | undefined) {
    this.#place = place;
    this.#namespace = namespace;
    this.#nothing = emptySnapshot(namespace, recovered.storedSchemaVersion);
    this.#low = new Low<Snapshot>(new SnapshotFile(snapshotPath(place.folder, namespace), namespace), this.#nothing);
    this.#schemaVersion = recovered.storedSchemaVersion;
    this.#generation = recovered.newest?.generation ?? recovered.base;
    this.#base = recovered.base;
    this.#log = log;
    this.#ahead = recovered.ahead;
  }

  /** Opens a namespace, brings its files into order and its values to the program's schema version. Rejects with nothing changed. */
  static async open(
    place: Place,
    namespace: string,
    schema: StoreSchema,
  ): Promise<{ files: NamespaceFiles; contents: Contents }> {
    const { folder } = place;
    const recovered = await recover(folder, namespace, schema);
    const { newest, contents } = recovered;
    await place.guard();
    for (const generation of recovered.unborn) await rm(logPath(folder, namespace, generation), { force: true });
    await rm(temporaryOf(snapshotPath(folder, namespace)), { force: true });
    const log = newest && (await LogFile.open(logPath(folder, namespace, newest.generation), newest.length));
    const files = new NamespaceFiles(place, namespace, recovered, log);
    try {
      if (newest !== undefined && newest.torn > 0) {
        const what = 'a write that was cut off and never acknowledged';
        place.log.warn(`${log?.path}: left out its last ${newest.torn} bytes, ${what}`);
      }
      if (recovered.fault !== undefined) await files.#setAside(recovered.fault, recovered.damaged);
      if (recovered.fault !== undefined || recovered.storedSchemaVersion !== schema.version) {
        await files.migrate(contents, schema.version);
      }
      return { files, contents };
    } catch (error) {
      await files.#log?.close();
      throw error;
    }
  }

  /** Appends changes to the log; `before` is how many there have been. Resolves when they are as durable as the settings ask. */
  async append(changes: readonly Change[], before: number): Promise<void> {
    const { fsync, fsyncInterval } = this.#place.settings;
    await this.#place.guard();
    this.#log ??= await this.#newLog(this.#generation, this.#schemaVersion, before);
    try {
      await this.#log.append(changeLines(changes, before), fsync === 'always');
    } catch (error) {
      throw writeError(this.#log.path, error);
    }
    this.#ahead = true;
    if (fsync === 'interval') this.#syncTimer ??= setTimeout(() => void this.#sync(), fsyncInterval).unref();
  }

  /** Starts a new log and a snapshot of these contents when the log has become long. The snapshot is written beside further appends. */
  async compactWhenLong(contents: Contents): Promise<void> {
    const { compactBytes } = this.#place.settings;
    const isLong = (this.#log?.length ?? 0) >= Math.max(compactBytes, contents.bytes);
    if (this.#compaction !== undefined || !(isLong || this.#suspect)) return;
    try {
      const generation = this.#generation + 1;
      // What the next log builds on must be there when the next log is.
      if (!this.#suspect) await this.#log?.sync();
      const next = await this.#newLog(generation, this.#schemaVersion, contents.changes);
      const snapshot = this.#snapshotOf(contents, generation, this.#schemaVersion);
      await this.#switchTo(next, generation);
      this.#compaction = this.#write(snapshot)
        .catch((error: unknown) => {
          this.#ahead = true;
          this.#complain(error);
        })
        .finally(() => {
          this.#compaction = undefined;
        });
    } catch (error) {
      this.#complain(error);
    }
  }

  /** Makes these contents, which have another schema version, those of the namespace. Rejects with nothing changed. */
  async migrate(contents: Contents, schemaVersion: number): Promise<void> {
    await this.#compaction;
    const generation = this.#generation + 1;
    const next = await this.#newLog(generation, schemaVersion, contents.changes);
    try {
      await this.#write(this.#snapshotOf(contents, generation, schemaVersion));
    } catch (error) {
      await next.remove();
      throw error;
    }
    await this.#switchTo(next, generation);
    this.#schemaVersion = schemaVersion;
  }

  /** Compacts what is left in the log, and closes the files. Never rejects: what was acknowledged is in the log. */
  async close(contents: Contents): Promise<void> {
    clearTimeout(this.#syncTimer);
    await this.#compaction;
    try {
      if (this.#place.settings.fsync !== 'never') await this.#log?.sync();
      if (this.#ahead) await this.#write(this.#snapshotOf(contents, this.#generation + 1, this.#schemaVersion));
    } catch (error) {
      this.#complain(error);
    }
    await this.#log?.close();
  }

  /** Gives a damaged snapshot another name. The backup stays until what replaces it has been written. */
  async #setAside(fault: string, damaged: boolean): Promise<void> {
    const path = snapshotPath(this.#place.folder, this.#namespace);
    const aside = `${path}.corrupt-${new Date().toISOString().replaceAll(':', '-')}`;
    const outcome = `restored from ${backupOf(path)} and the logs: nothing that was acknowledged is lost`;
    if (!damaged) return this.#place.log.warn(`${fault}; ${outcome}`);
    await rename(path, aside).catch((error: unknown) => {
      throw writeError(aside, error);
    });
    this.#place.log.error(`${fault}; ${outcome}. The damaged file is kept as ${aside}`);
  }

  #newLog(generation: number, schemaVersion: number, after: number): Promise<LogFile> {
    const path = logPath(this.#place.folder, this.#namespace, generation);
    return LogFile.create(path, { namespace: this.#namespace, schemaVersion, generation, after });
  }

  async #switchTo(log: LogFile, generation: number): Promise<void> {
    const old = this.#log;
    this.#log = log;
    this.#generation = generation;
    this.#ahead = false;
    await old?.close();
  }

  #snapshotOf(contents: Contents, generation: number, schemaVersion: number): Snapshot {
    const { changes, floor } = contents;
    return { namespace: this.#namespace, schemaVersion, generation, changes, floor, ...contents.copy() };
  }

  /** Writes a snapshot, then removes the logs that neither it nor its backup needs. */
  async #write(snapshot: Snapshot): Promise<void> {
    await this.#place.guard();
    this.#low.data = snapshot;
    try {
      await this.#low.write();
    } finally {
      // The entries live in memory once, not a second time in here.
      this.#low.data = this.#nothing;
    }
    this.#suspect = false;
    const needed = this.#base;
    this.#base = snapshot.generation;
    for (const generation of await logGenerations(this.#place.folder, this.#namespace)) {
      if (generation >= needed) break;
      await rm(logPath(this.#place.folder, this.#namespace, generation)).catch(ignoreMissing);
    }
  }

  async #sync(): Promise<void> {
    this.#syncTimer = undefined;
    try {
      await this.#log?.sync();
    } catch (error) {
      // The system may have forgotten what it could not write: only a new file with everything in it is sure to hold it.
      this.#suspect = true;
      this.#complain(error);
    }
  }

  #complain(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#place.log.error(`namespace "${this.#namespace}": ${why}; what was acknowledged stands in the log`);
  }
}
