// The plugin indexes of a configuration as one: fetched with care, kept for a while, and the copy that came with this version when nothing else is there.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { readIndex } from '@plugboard/registry-index';
import type { IndexDocument, IndexedPlugin, IndexedServer } from '@plugboard/registry-index';
import { PlugboardError } from '../errors.ts';
import { IndexCache } from './index-cache.ts';

/** ms for which a kept index is used without asking its server. */
const fresh = 15 * 60_000;
/** ms for a server to answer. */
const patience = 15_000;
const maxBytes = 32 * 1024 * 1024;

export interface IndexOptions {
  /** URLs of indexes, the most important first: an id is taken from the first that has it. Empty: the bundled copy alone. */
  readonly urls: readonly string[];
  /** Ask the servers now, however fresh the kept copies are. */
  readonly refresh?: boolean;
  readonly cache?: IndexCache;
}

/** An entry and where it is from. */
export type From<Entry> = Entry & { readonly index: string };

/** All indexes together. */
export interface Indexes {
  readonly plugins: readonly From<IndexedPlugin>[];
  readonly servers: readonly From<IndexedServer>[];
  /** What went wrong while a copy could be used all the same. */
  readonly warnings: readonly string[];
}

/** The name of the copy that comes with this version. */
const bundledName = 'bundled';

/** Reads all indexes. Throws INDEX_UNUSABLE when a configured one cannot be had at all, or must not be used. */
export async function readIndexes({ urls, refresh = false, cache = new IndexCache() }: IndexOptions): Promise<Indexes> {
  const warnings: string[] = [];
  const fetched = await Promise.all(urls.map((url) => readOne(url, refresh, cache, warnings)));
  const all = [
    ...fetched.map((index, at) => [urls[at] ?? '', index] as const),
    [bundledName, await bundled()] as const,
  ];
  return {
    plugins: merged(all.map(([name, { plugins }]) => plugins.map((entry) => ({ ...entry, index: name })))),
    servers: merged(all.map(([name, { servers }]) => servers.map((entry) => ({ ...entry, index: name })))),
    warnings,
  };
}

/** Entries by id, the first that has an id wins: nobody takes an id away from an index that stands before. */
function merged<Entry extends { readonly id: string }>(lists: readonly (readonly Entry[])[]): Entry[] {
  const byId = new Map<string, Entry>();
  for (const entry of lists.flat()) if (!byId.has(entry.id)) byId.set(entry.id, entry);
  return [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

async function bundled(): Promise<IndexDocument> {
  const file = createRequire(import.meta.url).resolve('@plugboard/registry-index/index.json');
  return readIndex(await readFile(file, 'utf8'), file);
}

async function readOne(url: string, refresh: boolean, cache: IndexCache, warnings: string[]): Promise<IndexDocument> {
  const kept = await cache.get(url);
  if (kept !== undefined && !refresh && kept.age < fresh) return readIndex(kept.text, url);
  let text: string | undefined;
  let etag: string | undefined;
  try {
    ({ text, etag } = await fetchIndex(url, kept?.etag));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (kept === undefined)
      throw new PlugboardError('INDEX_UNUSABLE', `${url}: ${why}, and no copy of it is kept here`);
    warnings.push(`${url}: ${why}; the copy of ${new Date(Date.now() - kept.age).toISOString()} is used`);
    return readIndex(kept.text, url);
  }
  if (text === undefined && kept !== undefined) {
    await cache.set(url, kept.text, kept.etag);
    return readIndex(kept.text, url);
  }
  const index = usable(text ?? '', url);
  if (kept !== undefined) refuseDowngrade(readIndex(kept.text, url), index, url);
  await cache.set(url, text ?? '', etag);
  return index;
}

function usable(text: string, url: string): IndexDocument {
  try {
    return readIndex(text, url);
  } catch (error) {
    throw new PlugboardError('INDEX_UNUSABLE', (error as Error).message, { cause: error });
  }
}

/**
 * An index only ever gains versions: one that has lost some, or says something else of one, is an older copy, or is meant to bring an
 * older plugin back.
 */
function refuseDowngrade(before: IndexDocument, after: IndexDocument, url: string): void {
  for (const { id, versions } of before.plugins) {
    const now = after.plugins.find((plugin) => plugin.id === id);
    for (const { version, integrity } of versions) {
      const found = now?.versions.find((each) => each.version === version);
      if (found?.integrity === integrity) continue;
      const what = found === undefined ? 'no longer has' : 'has another integrity for';
      const text = `${url}: it ${what} version ${version} of plugin "${id}": it is older than the copy kept here, or was tampered with; the copy is kept. If this is meant, delete the copy`;
      throw new PlugboardError('INDEX_UNUSABLE', text);
    }
  }
}

interface Fetched {
  /** Undefined: the same as before. */
  readonly text: string | undefined;
  readonly etag: string | undefined;
}

async function fetchIndex(url: string, etag: string | undefined): Promise<Fetched> {
  if (url.startsWith('file:')) return { text: await readFile(new URL(url), 'utf8'), etag: undefined };
  const headers = { accept: 'application/json', ...(etag === undefined ? {} : { 'if-none-match': etag }) };
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(patience) }).catch((error: Error) => {
    throw new Error(`it cannot be reached (${(error.cause as Error | undefined)?.message ?? error.message})`);
  });
  if (response.status === 304) return { text: undefined, etag };
  if (!response.ok) throw new Error(`its server answers with HTTP ${response.status}`);
  const bytes = Buffer.from(await response.arrayBuffer());
  if (bytes.length > maxBytes) throw new Error(`it has ${bytes.length} bytes (at most ${maxBytes})`);
  return { text: bytes.toString('utf8'), etag: response.headers.get('etag') ?? undefined };
}
