// What `plugboard up` leaves in files for other commands: how its configuration fared, and what its servers offer.
import type { BoardApi } from '../board-api.ts';
import { LocalFiles, versionOfConfiguration } from '../local-files.ts';
import type { Tool } from '../protocol/messages.ts';

/** Changes of servers are collected for so long; ms. */
const debounce = 500;

export class Traces {
  readonly #configFile: string;
  readonly #files: LocalFiles;
  #board: BoardApi | undefined;
  #uses: () => readonly string[] = () => [];
  #version = '';
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(configFile: string) {
    this.#configFile = configFile;
    this.#files = new LocalFiles(configFile);
  }

  /** From now on the tools of this board are told. */
  follow(board: BoardApi, uses: () => readonly string[]): void {
    this.#board = board;
    this.#uses = uses;
    this.serversChanged();
  }

  serversChanged(): void {
    if (this.#ended || this.#board === undefined) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#files.writeTools(this.#observed());
    }, debounce).unref();
  }

  /** The configuration and the lock are about to be read. */
  async looksAt(): Promise<void> {
    this.#version = await versionOfConfiguration(this.#configFile);
  }

  async applied(): Promise<void> {
    if (this.#version === '') await this.looksAt();
    await this.#files.writeRun({ pid: process.pid, version: this.#version, state: 'applied', uses: this.#uses() });
  }

  async refused(error: string): Promise<void> {
    await this.#files.writeRun({
      pid: process.pid,
      version: this.#version,
      state: 'refused',
      uses: this.#uses(),
      error,
    });
  }

  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#files.end();
  }

  #observed(): Record<string, readonly Tool[]> {
    const board = this.#board;
    const names =
      board?.servers().flatMap(({ name, state, tools }) => (state === 'ready' || tools > 0 ? [name] : [])) ?? [];
    return Object.fromEntries(names.map((name) => [name, board?.catalogue(name)?.tools ?? []]));
  }
}
