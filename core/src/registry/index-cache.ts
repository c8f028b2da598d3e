// The copies of plugin indexes on this machine: the last good text of each URL, and what its server said of it.
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { isObject } from '../protocol/messages.ts';
import { replaceFile } from '../replace-file.ts';

/** A kept index. */
export interface CachedIndex {
  readonly text: string;
  readonly etag: string | undefined;
  /** ms since it was fetched, or since its server last said that it is still the same. */
  readonly age: number;
}

/** Keeps indexes in the user's cache folder; every configuration of the user shares them. */
export class IndexCache {
  readonly #folder: string;

  constructor(folder = defaultFolder()) {
    this.#folder = folder;
  }

  async get(url: string): Promise<CachedIndex | undefined> {
    const file = this.#fileOf(url);
    try {
      const [text, about, { mtimeMs }] = await Promise.all([
        readFile(file, 'utf8'),
        readFile(`${file}.about`, 'utf8'),
        stat(`${file}.about`),
      ]);
      const value: unknown = JSON.parse(about);
      const digest = isObject(value) ? value['sha256'] : undefined;
      // A text and what is said of it are two files: a pair that does not belong together is none.
      if (!isObject(value) || digest !== sha256(text)) return undefined;
      return { text, etag: typeof value['etag'] === 'string' ? value['etag'] : undefined, age: Date.now() - mtimeMs };
    } catch {
      return undefined;
    }
  }

  async set(url: string, text: string, etag: string | undefined): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = this.#fileOf(url);
    await replaceFile(file, text);
    await replaceFile(`${file}.about`, JSON.stringify({ url, etag, sha256: sha256(text) }));
  }

  #fileOf(url: string): string {
    return path.join(this.#folder, `${sha256(url).slice(0, 32)}.json`);
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function defaultFolder(): string {
  return path.join(process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'), 'plugboard', 'indexes');
}
