// What `plugboard up` leaves in files for other commands: where it listens, how its configuration fared, and what its servers offer.
import type { BoardApi } from '../board-api.ts';
import { LocalFiles, versionOfConfiguration } from '../local-files.ts';
import type { RunReport } from '../local-files.ts';
import type { Tool } from '../protocol/messages.ts';

/** Changes of servers are collected for so long; ms. */
const debounce = 500;

export class Traces {
  readonly #configFile: string;
  readonly #files: LocalFiles;
  #board: BoardApi | undefined;
  #about: () => Pick<RunReport, 'url' | 'uses'> = () => ({ uses: [] });
  #version = '';
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(configFile: string) {
    this.#configFile = configFile;
    this.#files = new LocalFiles(configFile);
  }

  /** From now on the tools of this board are told. `about`: asked each time anew. */
  follow(board: BoardApi, about: () => Pick<RunReport, 'url' | 'uses'>): void {
    this.#board = board;
    this.#about = about;
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
    await this.#write('applied');
  }

  async refused(error: string): Promise<void> {
    await this.#write('refused', error);
  }

  async end(): Promise<void> {
    this.#ended = true;
    clearTimeout(this.#timer);
    await this.#files.end();
  }

  async #write(state: RunReport['state'], error?: string): Promise<void> {
    await this.#files.writeRun({ pid: process.pid, version: this.#version, state, ...this.#about(), error });
  }

  #observed(): Record<string, readonly Tool[]> {
    const board = this.#board;
    const names =
      board?.servers().flatMap(({ name, state, tools }) => (state === 'ready' || tools > 0 ? [name] : [])) ?? [];
    return Object.fromEntries(names.map((name) => [name, board?.catalogue(name)?.tools ?? []]));
  }
}
