// GitHub as tools see it: an ask goes in, a reply comes out, within the time and in bounds. What is asked for is the tools' business.
import { linkAbort } from 'plugboard';
import type { JsonObject } from 'plugboard';
import { Attempt } from './ask.ts';
import type { Ask, Reply } from './ask.ts';
import { boundedFetch } from './bounded-fetch.ts';
import { ended, Failure, failureOf, limited } from './failure.ts';
import type { FailureContext } from './failure.ts';
import type { Client, silent as Silent } from './octokit.ts';
import type { Place } from './place.ts';
import type { RateLimits } from './rate-limits.ts';

export interface GitHubSettings {
  readonly baseUrl: string;
  readonly userAgent: string;
  /** ms for one request. */
  readonly timeout: number;
  /** ms for one asking, with its repeats and waits. */
  readonly maxWait: number;
  readonly maxDownloadBytes: number;
}

interface Loaded {
  readonly octokit: Client;
  readonly silent: typeof Silent;
}

const accepts = {
  json: 'application/vnd.github+json',
  raw: 'application/vnd.github.raw+json',
  diff: 'application/vnd.github.diff',
  log: 'application/vnd.github+json',
};

export class GitHub {
  readonly #settings: GitHubSettings;
  readonly #token: string | undefined;
  /** Identity of the token, for what is shared among leases. */
  readonly #id: string;
  readonly #limits: RateLimits;
  #loaded: Promise<Loaded> | undefined;

  constructor(settings: GitHubSettings, token: string | undefined, id: string, limits: RateLimits) {
    this.#settings = settings;
    this.#token = token;
    this.#id = id;
    this.#limits = limits;
  }

  get(place: Place, signal: AbortSignal, query?: Ask['query']): Promise<Reply> {
    return this.ask({ method: 'GET', place, query }, signal);
  }

  send(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    place: Place,
    signal: AbortSignal,
    body?: JsonObject,
  ): Promise<Reply> {
    return this.ask({ method, place, body }, signal);
  }

  /** Throws a {@link Failure}. */
  async ask(ask: Ask, signal: AbortSignal): Promise<Reply> {
    const limit = this.#limits.find(this.#id, ask.place.path);
    if (limit !== undefined) throw new Failure(limited(limit, this.#token), { limit });
    const { maxWait, timeout } = this.#settings;
    // Loading libraries is no waiting for GitHub.
    const client = await this.#load();
    const overall = linkAbort([signal], maxWait);
    const attempt = new Attempt(ask, overall.signal, maxWait);
    const context: FailureContext = { attempt, token: this.#token, timeout };
    try {
      // Waits inside Octokit do not hear of signals.
      return await Promise.race([this.#run(client, attempt), aborted(overall.signal, context)]);
    } catch (error) {
      const failure = failureOf(error, context);
      if (failure.limit !== undefined) this.#limits.note(this.#id, ask.place.path, failure.limit);
      throw failure;
    } finally {
      overall.release();
    }
  }

  async #run({ octokit, silent }: Loaded, attempt: Attempt): Promise<Reply> {
    const { ask } = attempt;
    const binary = ask.as !== undefined && ask.as !== 'json';
    const response = await octokit.request({
      method: ask.method,
      url: ask.place.path + queryOf(ask),
      headers: { accept: accepts[ask.as ?? 'json'], 'x-github-api-version': '2022-11-28' },
      ...(ask.body !== undefined && { data: ask.body }),
      request: {
        attempt,
        fetch: boundedFetch(attempt, this.#settings),
        log: silent,
        parseSuccessResponseBody: !binary,
        // A change that failed may have been carried out: only a reading is repeated. For a reading the number is left to the plugin:
        // one that is given here would count for every status.
        ...(attempt.writes && { retries: 0 }),
      },
    });
    return this.#reply(response, binary, attempt);
  }

  async #reply({ status, headers, data }: Omit<Reply, 'cut'>, binary: boolean, attempt: Attempt): Promise<Reply> {
    if (binary) {
      const bytes = Buffer.from(await new Response(data as ReadableStream | null).arrayBuffer());
      return { status, headers, data: bytes, cut: attempt.cut };
    }
    // Some changes are answered with nothing; who needs more finds out.
    const empty = data === undefined || data === null || data === '';
    if (empty && (attempt.writes || status === 204 || status === 205)) return { status, headers, data: {}, cut: false };
    // Octokit hands over as text what it cannot parse.
    if (typeof data !== 'object' || data === null) throw new Failure(unreadable(attempt, this.#settings));
    return { status, headers, data, cut: false };
  }

  #load(): Promise<Loaded> {
    const { baseUrl, userAgent } = this.#settings;
    const init = { baseUrl: baseUrl.replace(/\/+$/, ''), token: this.#token, userAgent, id: `${baseUrl} ${this.#id}` };
    this.#loaded ??= import('./octokit.ts').then(({ newClient, silent }) => ({ octokit: newClient(init), silent }));
    return this.#loaded;
  }
}

function unreadable(attempt: Attempt, { maxDownloadBytes }: GitHubSettings): string {
  if (attempt.cut)
    return `GitHub’s answer is longer than ${maxDownloadBytes} bytes (option maxDownloadBytes): ask for less, e.g. with a smaller per_page.`;
  const doubt = attempt.writes ? ' It was carried out, by all appearances: look before you repeat it.' : '';
  return `GitHub’s answer cannot be read (cut off, or not from GitHub at all): try again; if it stays so, check the option baseUrl.${doubt}`;
}

function queryOf({ query = {} }: Ask): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size === 0 ? '' : `?${search.toString()}`;
}

/** Rejects when the time is over or the client cancels. */
function aborted(signal: AbortSignal, context: FailureContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(new Failure(ended(context)));
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}
