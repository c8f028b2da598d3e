// Requests to the API server, with its credentials, time limits and errors. What is asked for is decided elsewhere.
import { request as plainRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { KubeConfig } from '@kubernetes/client-node';
import { linkAbort } from 'plugboard';
import { loadCredentials } from './credentials.ts';
import type { CredentialOptions } from './credentials.ts';

const requestLimit = 30_000;

/** Largest answer taken: a list of thousands of objects. */
const maxAnswerBytes = 512 * 1024 * 1024;

/** Longest line of a watch: one object. */
const maxLineBytes = 64 * 1024 * 1024;

/** An answer other than 2xx. */
export class RequestFailure extends Error {
  /** HTTP status; the informer of client-node reads it under this name. */
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.name = 'RequestFailure';
    this.statusCode = statusCode;
  }
}

/** HTTP status of a failed request, or undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  return error instanceof RequestFailure ? error.statusCode : undefined;
}

/** What becomes of a request that is answered bit by bit. */
export interface StreamEvents {
  opened(): void;
  line(text: string): void;
}

export class Cluster {
  readonly #options: CredentialOptions;
  #config: KubeConfig;
  readonly #stopped = new AbortController();

  constructor(options: CredentialOptions) {
    this.#options = options;
    this.#config = loadCredentials(options);
  }

  /** The credentials as they were read last. */
  get config(): KubeConfig {
    return this.#config;
  }

  /** URL of the server, for messages. */
  get server(): string {
    return this.#config.getCurrentCluster()?.server ?? '';
  }

  /** Reads the credentials again: whoever writes them may have renewed them. Keeps the old ones when that fails. */
  reload(): void {
    try {
      this.#config = loadCredentials(this.#options);
    } catch {
      // The next refusal tries again.
    }
  }

  /** Ends all requests, now and later. */
  stop(): void {
    this.#stopped.abort(new Error('the source of tasks is stopping'));
  }

  /**
   * Makes a request and returns the parsed answer. Rejects with {@link RequestFailure} for an answer that is none, and with what the
   * connection failed with.
   */
  async request(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    body?: object,
    contentType = 'application/json',
  ): Promise<unknown> {
    const abort = linkAbort([this.#stopped.signal], requestLimit);
    try {
      const options = await this.#optionsFor(abort.signal);
      if (body === undefined) return await send(this.#url(path), { ...options, method }, undefined);
      const headers = { ...options.headers, 'content-type': contentType };
      return await send(this.#url(path), { ...options, method, headers }, JSON.stringify(body));
    } finally {
      abort.release();
    }
  }

  /** Reads lines until the server ends the answer. Rejects as {@link Cluster.request}; also when `signal` is aborted. */
  async stream(path: string, events: StreamEvents, signal: AbortSignal): Promise<void> {
    const abort = linkAbort([this.#stopped.signal, signal]);
    try {
      await this.#stream(path, events, abort.signal);
    } finally {
      abort.release();
    }
  }

  async #stream(path: string, events: StreamEvents, signal: AbortSignal): Promise<void> {
    const incoming = await open(this.#url(path), await this.#optionsFor(signal), undefined);
    const { statusCode = 0 } = incoming;
    if (statusCode !== 200) throw failureOf(statusCode, await textOf(incoming));
    // A peer that vanished without a word is noticed.
    incoming.socket.setKeepAlive(true, 30_000);
    events.opened();
    let rest = '';
    for await (const chunk of incoming.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > maxLineBytes) throw new Error(`a line of the watch is longer than ${maxLineBytes} bytes`);
      for (const line of lines) if (line !== '') events.line(line);
    }
    if (!incoming.complete) throw new Error('the connection was lost');
  }

  /** A JSON merge patch. */
  merge(path: string, patch: object): Promise<unknown> {
    return this.request('PATCH', path, patch, 'application/merge-patch+json');
  }

  #url(path: string): URL {
    return new URL(this.server.replace(/\/$/, '') + path);
  }

  async #optionsFor(signal: AbortSignal): Promise<Sendable> {
    const options: RequestOptions = {};
    await this.#config.applyToHTTPSOptions(options);
    signal.throwIfAborted();
    const headers = { ...(options.headers as Record<string, string> | undefined), accept: 'application/json' };
    return { ...options, headers, signal };
  }
}

type Sendable = Omit<RequestOptions, 'headers'> & { readonly headers: Readonly<Record<string, string>> };

/** Sends a request; resolves with the answer when it begins. */
function open(url: URL, options: Sendable, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const make = url.protocol === 'http:' ? plainRequest : request;
    make(url, options, resolve).on('error', reject).end(body);
  });
}

async function send(url: URL, options: Sendable, body: string | undefined): Promise<unknown> {
  const incoming = await open(url, options, body);
  const { statusCode = 0 } = incoming;
  const text = await textOf(incoming);
  if (statusCode < 200 || statusCode > 299) throw failureOf(statusCode, text);
  return parse(text);
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxAnswerBytes) throw new Error(`the answer is larger than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function failureOf(status: number, text: string): RequestFailure {
  const message = (parse(text) as { message?: unknown } | undefined)?.message;
  return new RequestFailure(status, typeof message === 'string' ? message.slice(0, 1000) : `HTTP ${status}`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
