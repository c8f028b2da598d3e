// The definitions behind the hashes of plugboard.lock, kept on the machine where they were approved, so that a change can be shown.
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { canonical, digestOf } from '../approvals.ts';
import type { Tool } from '../protocol/messages.ts';
import { replaceFile } from '../replace-file.ts';

/** A folder of definitions by their hash. */
export class ApprovedDefinitions {
  readonly #folder: string;

  constructor(directory: string) {
    this.#folder = path.join(directory, '.plugboard', 'approved');
  }

  async keep(tools: readonly Tool[]): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    for (const tool of tools) await replaceFile(this.#fileOf(digestOf(tool)), canonical(tool));
  }

  /** The definition of a hash; undefined when it is not kept here, or is not what the hash says. */
  async find(digest: string): Promise<Tool | undefined> {
    try {
      const tool = JSON.parse(await readFile(this.#fileOf(digest), 'utf8')) as Tool;
      return digestOf(tool) === digest ? tool : undefined;
    } catch {
      return undefined;
    }
  }

  #fileOf(digest: string): string {
    return path.join(this.#folder, `${Buffer.from(digest).toString('base64url')}.json`);
  }
}
