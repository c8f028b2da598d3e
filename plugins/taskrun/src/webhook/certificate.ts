// The certificate of the listener: read from files, and again when they change. Whoever issues it (cert-manager, a person) replaces the files.
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { PlugboardError } from 'plugboard';
import type { Log } from 'plugboard';
import type { WebhookOptions } from './options.ts';

type Files = Pick<WebhookOptions, 'certFile' | 'keyFile' | 'clientCaFile' | 'reloadInterval'>;

/** A certificate as TLS takes it; PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  /** Authorities of clients. */
  readonly ca?: string;
}

/** A certificate in files. */
export class Certificate {
  readonly #files: readonly string[];
  readonly #interval: number;
  readonly #log: Log;
  #current = '';
  #problem: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(files: readonly string[], interval: number, log: Log) {
    this.#files = files;
    this.#interval = interval;
    this.#log = log;
  }

  /** Undefined when the options name no files. Throws PLUGIN_OPTIONS when they name half of them. */
  static of({ certFile, keyFile, clientCaFile, reloadInterval }: Files, log: Log): Certificate | undefined {
    if (certFile === undefined && keyFile === undefined && clientCaFile === undefined) return undefined;
    if (certFile === undefined || keyFile === undefined)
      throw new PlugboardError('PLUGIN_OPTIONS', 'plugin "taskrun": options.webhook: certFile and keyFile go together');
    return new Certificate(
      [certFile, keyFile, ...(clientCaFile === undefined ? [] : [clientCaFile])],
      reloadInterval,
      log,
    );
  }

  /** Reads the files. Throws PLUGIN_OPTIONS when they are not there, or do not fit together. */
  async load(): Promise<Identity> {
    try {
      const context = await this.#read();
      this.#current = textOf(context);
      return context;
    } catch (error) {
      const message = `plugin "taskrun": options.webhook: ${(error as Error).message}`;
      throw new PlugboardError('PLUGIN_OPTIONS', message, { cause: error });
    }
  }

  /** Calls `apply` with each later certificate. One that cannot be used is logged once, and the one before it stays in use. */
  follow(apply: (context: Identity) => void): void {
    this.#timer = setTimeout(() => {
      void this.#look(apply).finally(() => this.#timer !== undefined && this.follow(apply));
    }, this.#interval);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #look(apply: (context: Identity) => void): Promise<void> {
    try {
      const context = await this.#read();
      this.#problem = undefined;
      if (textOf(context) === this.#current || this.#timer === undefined) return;
      apply(context);
      this.#current = textOf(context);
      this.#log.info('webhook: the certificate was read again');
    } catch (error) {
      const problem = (error as Error).message;
      if (problem !== this.#problem)
        this.#log.warn('webhook: the new certificate cannot be used; the old one stays', { problem });
      this.#problem = problem;
    }
  }

  async #read(): Promise<Identity> {
    const [cert = '', key = '', ca] = await Promise.all(this.#files.map((file) => readFile(file, 'utf8')));
    const context = { cert, key, ...(ca === undefined ? {} : { ca }) };
    // Files are replaced one after the other: a new key with the old certificate throws here.
    createSecureContext(context);
    return context;
  }
}

function textOf({ cert, key, ca }: Identity): string {
  return [cert, key, ca].join('\n');
}
