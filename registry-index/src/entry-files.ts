// The files of this package: where entries lie, and reading them. What they must contain is in `check-entry.ts`.
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkEntry } from './check-entry.ts';
import { pluginEntrySchema } from './plugin-entry.ts';
import type { PluginEntry } from './plugin-entry.ts';
import { serverEntrySchema } from './server-entry.ts';
import type { ServerEntry } from './server-entry.ts';
import { compareText } from './tool-summary.ts';

/** The folder of this package: the nearest one above that has a package.json. */
export function packageFolder(): string {
  let folder = path.dirname(fileURLToPath(import.meta.url));
  while (!existsSync(path.join(folder, 'package.json'))) folder = path.dirname(folder);
  return folder;
}

/** A file of an entry, parsed and not checked. */
export interface EntryFile {
  readonly kind: 'plugin' | 'server';
  /** Its name without `.json`. */
  readonly file: string;
  readonly value: unknown;
}

/** Reads all entries below a folder, sorted by file. Throws when a file is no JSON. */
export async function readEntryFiles(folder = packageFolder()): Promise<EntryFile[]> {
  const kinds = ['plugin', 'server'] as const;
  return (await Promise.all(kinds.map((kind) => readFolder(kind, path.join(folder, `${kind}s`))))).flat();
}

async function readFolder(kind: EntryFile['kind'], folder: string): Promise<EntryFile[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort(compareText);
  return await Promise.all(
    names.map(async (name) => ({
      kind,
      file: name.slice(0, -'.json'.length),
      value: parse(await readFile(path.join(folder, name), 'utf8'), `${kind}s/${name}`),
    })),
  );
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${place}: is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

/** Checks all entries against each other. Returns one sentence for each problem. */
export function checkEntryFiles(files: readonly EntryFile[]): string[] {
  const idOf = ({ value, file }: EntryFile) =>
    typeof value === 'object' && value !== null && 'id' in value ? String(value.id) : file;
  return files.flatMap((each) => {
    const others = files.filter((other) => other !== each).map(idOf);
    return checkEntry(each.value, { kind: each.kind, file: each.file, others });
  });
}

export interface Entries {
  readonly plugins: readonly PluginEntry[];
  readonly servers: readonly ServerEntry[];
}

/** All entries, checked. Throws with every problem when there is one. */
export async function readEntries(folder?: string): Promise<Entries> {
  const files = await readEntryFiles(folder);
  const problems = checkEntryFiles(files);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const of = (kind: EntryFile['kind']) => files.filter((each) => each.kind === kind).map((each) => each.value);
  return {
    plugins: of('plugin').map((value) => pluginEntrySchema.parse(value)),
    servers: of('server').map((value) => serverEntrySchema.parse(value)),
  };
}
