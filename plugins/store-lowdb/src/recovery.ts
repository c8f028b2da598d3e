// From files to entries: which snapshot is good, what the logs add to it, what must be refused. Reads only; repairs are written by namespace-files.ts.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Low } from 'lowdb';
import type { StoreSchema } from 'plugboard';
import { Contents } from './contents.ts';
import { DamagedFile } from './damaged-file.ts';
import { readLog } from './log-format.ts';
import type { LogContents, LogHeader } from './log-format.ts';
import { migrated } from './migrate.ts';
import { backupOf, emptySnapshot, SnapshotFile } from './snapshot.ts';
import type { Snapshot } from './snapshot.ts';

/** What a namespace holds, and what is to be done to its files before it is written to. */
export interface Recovered {
  readonly contents: Contents;
  /** The namespace's schema version on the disk. The contents have the program's. */
  readonly storedSchemaVersion: number;
  /** Of the snapshot that the contents come from. */
  readonly base: number;
  /** True when logs hold what the snapshot does not. */
  readonly ahead: boolean;
  /** The newest log, if there is one. */
  readonly newest: { readonly generation: number; readonly length: number; readonly torn: number } | undefined;
  /** Logs whose creation was cut off. */
  readonly unborn: readonly number[];
  /** Why the snapshot was not used; undefined: it was. */
  readonly fault: string | undefined;
  /** True when the snapshot's file is there and damaged. */
  readonly damaged: boolean;
}

interface Base {
  readonly snapshot: Snapshot;
  readonly fault?: string | undefined;
  readonly damaged?: boolean | undefined;
}

interface WholeLog extends LogContents {
  readonly path: string;
  readonly generation: number;
  readonly header: LogHeader;
}

export function snapshotPath(folder: string, namespace: string): string {
  return join(folder, `${namespace}.json`);
}

export function logPath(folder: string, namespace: string, generation: number): string {
  return join(folder, `${namespace}.${generation}.log`);
}

/** Generations of the logs of a namespace, lowest first. */
export async function logGenerations(folder: string, namespace: string): Promise<number[]> {
  const numbers = (await readdir(folder))
    .filter((name) => name.startsWith(`${namespace}.`) && name.endsWith('.log'))
    .map((name) => name.slice(namespace.length + 1, -'.log'.length))
    .filter((number) => /^(?:0|[1-9]\d{0,14})$/.test(number));
  return numbers.map(Number).sort((left, right) => left - right);
}

/** Reads a namespace. Rejects when something that was acknowledged cannot be read, or was written by something newer; changes nothing. */
export async function recover(folder: string, namespace: string, schema: StoreSchema): Promise<Recovered> {
  const generations = await logGenerations(folder, namespace);
  const { snapshot, fault, damaged } = await findBase(folder, namespace, schema, generations);
  const later = generations.filter((generation) => generation >= snapshot.generation);
  const { logs, unborn } = await readLogs(folder, namespace, later, schema);
  if (fault !== undefined && logs.length === 0) {
    throw new Error(
      `${fault}, and what was written after its backup is missing (${namespace}.*.log). Nothing was changed: put the missing files ` +
        `back, or rename the backup to ${snapshotPath(folder, namespace)} to go on with that`,
    );
  }
  const replay = new Replay(snapshot, schema);
  for (const log of logs) replay.add(log);
  const last = logs.at(-1);
  return {
    ...replay.finish(),
    base: snapshot.generation,
    ahead: logs.some(({ changes }) => changes.length > 0),
    newest: last && { generation: last.generation, length: last.length, torn: last.torn },
    unborn,
    fault,
    damaged: damaged === true,
  };
}

/** The newest whole snapshot. Without one the empty one, if all that was ever written stands in the logs. */
async function findBase(
  folder: string,
  namespace: string,
  schema: StoreSchema,
  generations: readonly number[],
): Promise<Base> {
  const path = snapshotPath(folder, namespace);
  const backupPath = backupOf(path);
  const main = await look(path, namespace);
  if (main.snapshot !== undefined) return { snapshot: main.snapshot };
  const backup = await look(backupPath, namespace);
  const damaged = main.fault !== undefined;
  const fault = main.fault ?? `${path} is missing`;
  if (backup.snapshot !== undefined) return { snapshot: backup.snapshot, fault, damaged };
  const empty = emptySnapshot(namespace, schema.version);
  if (backup.fault === undefined && generations[0] === 0)
    return { snapshot: empty, ...(damaged && { fault, damaged }) };
  if (backup.fault === undefined && generations.length === 0 && !damaged) return { snapshot: empty };
  throw new Error(
    `${fault}, and ${backup.fault ?? `there is no backup ${backupPath}`}. Nothing was changed: put a good copy of ${path} ` +
      `in its place (and move ${namespace}.*.log out of the folder if the copy is older than they are), ` +
      `or move all files ${namespace}.* out of the folder to start empty`,
  );
}

async function look(path: string, namespace: string): Promise<{ snapshot?: Snapshot; fault?: string }> {
  const missing = emptySnapshot(namespace, 1);
  const low = new Low<Snapshot>(new SnapshotFile(path, namespace), missing);
  try {
    await low.read();
  } catch (error) {
    if (error instanceof DamagedFile) return { fault: error.message };
    throw error;
  }
  return low.data === missing ? {} : { snapshot: low.data };
}

async function readLogs(
  folder: string,
  namespace: string,
  generations: readonly number[],
  schema: StoreSchema,
): Promise<{ logs: WholeLog[]; unborn: number[] }> {
  const logs: WholeLog[] = [];
  const unborn: number[] = [];
  for (const generation of generations) {
    const path = logPath(folder, namespace, generation);
    const isLast = generation === generations.at(-1);
    try {
      const { header, ...rest } = readLog(await readFile(path), path);
      if ((header === undefined || rest.torn > 0) && !isLast) {
        throw new DamagedFile(path, `byte ${rest.length}`, 'it ends in mid-line, though a later log follows');
      }
      if (
        header === undefined ||
        (rest.changes.length === 0 && header.schemaVersion > schema.version && logs.length > 0)
      ) {
        // Also a migration that was cut off before its snapshot, after which the older program was started again.
        unborn.push(generation);
      } else if (header.namespace !== namespace || header.generation !== generation) {
        throw new DamagedFile(path, 'line 1', 'it is the log of another namespace or generation');
      } else logs.push({ ...rest, header, path, generation });
    } catch (error) {
      throw error instanceof DamagedFile ? refusal(error) : error;
    }
  }
  return { logs, unborn };
}

/** A damaged log is never set aside: without it, a state that has gone would look like a whole one. */
function refusal(fault: DamagedFile): Error {
  return new Error(
    `${fault.message}. Nothing was changed: put a good copy of the file in its place. To give up what was written from ` +
      'there on, cut the file at that byte (`truncate -s BYTE FILE`) and move later logs out of the folder',
    { cause: fault },
  );
}

/** A snapshot and the logs behind it, one after the other, with a migration wherever the schema version changes. */
class Replay {
  readonly #schema: StoreSchema;
  readonly #namespace: string;
  #contents: Contents;
  #schemaVersion: number;

  constructor(snapshot: Snapshot, schema: StoreSchema) {
    this.#schema = schema;
    this.#namespace = snapshot.namespace;
    this.#contents = Contents.of(snapshot);
    this.#schemaVersion = snapshot.schemaVersion;
  }

  add({ path, header, changes }: WholeLog): void {
    if (header.after !== this.#contents.changes) {
      throw new Error(
        `${path} begins behind change ${header.after}, but the files before it end at ${this.#contents.changes}: one of them is missing ` +
          'or was replaced. Nothing was changed: put the missing file back, or move this log and later ones out of the ' +
          'folder to give up what they hold',
      );
    }
    // Nothing came before the first log, so that it alone says what its values are like.
    if (header.after === 0) this.#schemaVersion = header.schemaVersion;
    if (header.schemaVersion < this.#schemaVersion) {
      throw new DamagedFile(path, 'line 1', `its schema version is ${header.schemaVersion}, older than before`);
    }
    this.#migrateTo(header.schemaVersion);
    for (const change of changes) this.#contents.apply(change);
  }

  finish(): { contents: Contents; storedSchemaVersion: number } {
    const storedSchemaVersion = this.#schemaVersion;
    this.#migrateTo(this.#schema.version);
    return { contents: this.#contents, storedSchemaVersion };
  }

  #migrateTo(version: number): void {
    this.#contents = migrated(this.#namespace, this.#contents, this.#schemaVersion, version, this.#schema);
    this.#schemaVersion = version;
  }
}
