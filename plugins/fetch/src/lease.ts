// What one task keeps. Its libraries are loaded at its first call.
import type { Resolve } from './exchange.ts';
import type { Fetcher } from './fetcher.ts';
import type { Settings } from './settings.ts';

export class Lease {
  readonly #load: () => Promise<Fetcher>;
  #fetcher: Promise<Fetcher> | undefined;

  constructor(settings: Settings, userAgent: string, resolve?: Resolve) {
    this.#load = async () => {
      const { Fetcher: Loaded } = await import('./fetcher.ts');
      return new Loaded(settings, userAgent, resolve);
    };
  }

  fetcher(): Promise<Fetcher> {
    this.#fetcher ??= this.#load();
    return this.#fetcher;
  }

  async close(): Promise<void> {
    await (await this.#fetcher)?.close();
  }
}
