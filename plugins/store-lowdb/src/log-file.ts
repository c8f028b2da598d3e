// The log of a namespace as an open file: appends that are whole or taken back. What the lines mean is in log-format.ts.
import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder, writeError } from './durable-file.ts';
import { headerLine } from './log-format.ts';
import type { LogHeader } from './log-format.ts';

export class LogFile {
  readonly path: string;
  readonly #handle: FileHandle;
  /** Bytes that are known to be whole. */
  #length: number;
  /** A failed write may have left something behind them. */
  #unclean = false;

  private constructor(path: string, handle: FileHandle, length: number) {
    this.path = path;
    this.#handle = handle;
    this.#length = length;
  }

  /** Makes a log with nothing but its header, which is on the disk when this resolves. */
  static async create(path: string, header: Omit<LogHeader, 'format'>): Promise<LogFile> {
    try {
      const handle = await open(path, 'ax', 0o600);
      const log = new LogFile(path, handle, 0);
      try {
        await log.append(headerLine(header), true);
        await syncFolder(dirname(path));
        return log;
      } catch (error) {
        await log.remove();
        throw error;
      }
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Opens a log that has been read. What is behind its first `length` bytes is cut off. */
  static async open(path: string, length: number): Promise<LogFile> {
    const handle = await open(path, 'a', 0o600);
    const log = new LogFile(path, handle, length);
    try {
      if ((await handle.stat()).size !== length) await log.#cutBack();
      return log;
    } catch (error) {
      await handle.close();
      throw writeError(path, error);
    }
  }

  get length(): number {
    return this.#length;
  }

  /** Appends lines, or rejects with the log as it was. With `sync` they are on the disk when this resolves. */
  async append(lines: string, sync: boolean): Promise<void> {
    if (this.#unclean) await this.#cutBack();
    const bytes = Buffer.from(lines);
    try {
      await this.#handle.appendFile(bytes);
      if (sync) await this.#handle.datasync();
      this.#length += bytes.length;
    } catch (error) {
      this.#unclean = true;
      // If this fails too, the next append tries again before it writes anything.
      await this.#cutBack().catch(() => {});
      throw error;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
  }

  async #cutBack(): Promise<void> {
    await this.#handle.truncate(this.#length);
    await this.#handle.datasync();
    this.#unclean = false;
  }
}
