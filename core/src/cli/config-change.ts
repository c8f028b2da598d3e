// Changing the text of a configuration that a proxy may be following: written, shown to the running proxy, and taken back when that refuses it.
import { readFile, rm } from 'node:fs/promises';
import { refusedByProxy, verdictOn } from '../install/verdict.ts';
import { LocalFiles } from '../local-files.ts';
import { replaceFile } from '../replace-file.ts';
import type { Steps } from './steps.ts';

/** A change that has been made, and can be taken back. */
export class ConfigChange {
  readonly #file: string;
  /** Undefined: there was no file. */
  readonly #before: string | undefined;
  /** As it stands now; empty when there is no file. */
  text: string;

  private constructor(file: string, before: string | undefined) {
    this.#file = file;
    this.#before = before;
    this.text = before ?? '';
  }

  /** Begins with the file as it is, which need not exist. */
  static async begin(file: string): Promise<ConfigChange> {
    return new ConfigChange(file, await textOf(file));
  }

  /** Writes a text, which may be followed by others. */
  async write(text: string): Promise<void> {
    await replaceFile(this.#file, text, 0o644);
    this.text = text;
  }

  async takeBack(): Promise<void> {
    if (this.#before === undefined) await rm(this.#file, { force: true });
    else await replaceFile(this.#file, this.#before, 0o644);
  }

  /**
   * Waits for the running proxy, if there is one. True when it has taken the change. When it refuses, the change is taken back and
   * INSTALL_FAILED is thrown; with `keep` the reason is returned and the file stays.
   */
  async settle(steps: Steps, keep: boolean): Promise<{ readonly live: boolean; readonly refused?: string }> {
    if ((await new LocalFiles(this.#file).readRun()) !== undefined) steps.show('waiting for the running proxy');
    const verdict = await verdictOn(this.#file);
    if (verdict.result !== 'refused') return { live: verdict.result === 'applied' };
    if (keep) return { live: false, refused: verdict.why };
    await this.takeBack();
    throw refusedByProxy(verdict.why);
  }
}

async function textOf(file: string): Promise<string | undefined> {
  return await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
