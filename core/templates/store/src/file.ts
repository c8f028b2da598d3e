// The file of a namespace: read whole, and replaced in one step, so that it is whole at any moment.
import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';

/** What is kept of one key. A deleted key keeps its version, so that it goes on counting. */
export interface Entry {
  /** The value as JSON; undefined: deleted. */
  readonly text: string | undefined;
  readonly version: number;
}

export interface Contents {
  /** Undefined: nothing was ever written. */
  schema: number | undefined;
  readonly entries: Map<string, Entry>;
}

/** Throws when the file is there and cannot be read: nothing is ever written over it then. */
export async function readContents(file: string): Promise<Contents> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (text === undefined) return { schema: undefined, entries: new Map() };
  try {
    const { schema, entries } = JSON.parse(text) as { schema: number; entries: [string, number, string?][] };
    return { schema, entries: new Map(entries.map(([key, version, value]) => [key, { version, text: value }])) };
  } catch (error) {
    throw new Error(`${file} is damaged: put a good copy in its place, or move it away`, { cause: error });
  }
}

/** Writes the file anew; what it held before stays until the new one is on the disk. */
export async function writeContents(file: string, { schema, entries }: Contents): Promise<void> {
  const rows = [...entries].map(([key, { version, text }]) =>
    text === undefined ? [key, version] : [key, version, text],
  );
  const temporary = `${file}.${randomBytes(6).toString('hex')}`;
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify({ schema, entries: rows }));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}
