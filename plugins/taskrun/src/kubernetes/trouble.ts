// Says in the log, once, that the API server cannot be reached or refuses, and once that it is well again.
import type { Log } from 'plugboard';
import type { Kind } from '../schema/kinds.ts';
import { statusOf } from './cluster.ts';

/** ms of failing before a lost connection is worth a line: one that comes back at once is not. */
const patience = 1000;

export class Trouble {
  readonly #log: Log;
  readonly #what: string;
  readonly #server: string;
  #told: string | undefined;

  constructor(log: Log, { plural, group }: Kind, server: string) {
    this.#log = log;
    this.#what = `kubernetes: ${plural}.${group}`;
    this.#server = server;
  }

  met(error: unknown, delay: number): void {
    const text = this.#describe(error);
    const isBrief = statusOf(error) === undefined && delay < patience && this.#told === undefined;
    if (text === this.#told || isBrief) return;
    this.#told = text;
    if (statusOf(error) === 404) this.#log.info(`${this.#what}: ${text}`);
    else this.#log.error(`${this.#what}: ${text}; tried again until it works, and tasks stay as they are`);
  }

  over(): void {
    if (this.#told !== undefined) this.#log.info(`${this.#what}: followed again`);
    this.#told = undefined;
  }

  #describe(error: unknown): string {
    const status = statusOf(error);
    const said = error instanceof Error ? error.message : String(error);
    if (status === 401)
      return `${this.#server} refuses the credentials (401): the token has expired or was revoked; renew the kubeconfig or the service account’s token`;
    if (status === 403)
      return `${this.#server} forbids it (403): ${said}; give the service account the role of the chart`;
    if (status === 404) return 'this kind is not installed; apply its definition from the folder crds to use it';
    if (status !== undefined) return `${this.#server} answers ${status}: ${said}`;
    const { code } = error as { code?: unknown };
    return `${this.#server} cannot be reached (${typeof code === 'string' ? code : said})`;
  }
}
