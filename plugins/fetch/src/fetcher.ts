// From a URL to the text that an agent reads, for one lease. How it is cut into parts is in `tool.ts`.
import { Turns, linkAbort } from 'plugboard';
import { setMaxListeners } from 'node:events';
import { decodeText, header, looksBinary, readBody } from './body.ts';
import { Exchange, systemResolve } from './exchange.ts';
import type { Resolve, Response } from './exchange.ts';
import { kindOf } from './kinds.ts';
import { convertPage } from './page.ts';
import { Policy } from './policy.ts';
import { Robots } from './robots.ts';
import { Refusal } from './settings.ts';
import type { Settings } from './settings.ts';

export interface Page {
  /** Where it was found in the end. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  readonly title: string;
  readonly text: string;
  /** True when the text is not as it was sent, but made of it. */
  readonly simplified: boolean;
  /** What the reader should know beside the text. */
  readonly notes: readonly string[];
}

export interface FetchOptions {
  /** HTML as it is. */
  readonly raw: boolean;
  /** True for what an agent asks on its own. */
  readonly robots: boolean;
  readonly signal: AbortSignal;
}

/** Pages kept so that their next parts fit the first. */
const keptPages = 4;
const keptCharacters = 8 * 1024 * 1024;
const keptFor = 5 * 60 * 1000;
const callsAtOnce = 6;

export class Fetcher {
  readonly #settings: Settings;
  readonly #policy: Policy;
  readonly #resolve: Resolve;
  readonly #robots: Robots;
  readonly #userAgent: string;
  readonly #turns = new Turns(callsAtOnce);
  /** One at a time, so that one task's pages do not hold up those of others. */
  readonly #conversions = new Turns(1);
  readonly #kept = new Map<string, { page: Page; until: number }>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();

  constructor(settings: Settings, userAgent: string, resolve: Resolve = systemResolve) {
    this.#settings = settings;
    this.#policy = new Policy(settings);
    this.#resolve = resolve;
    this.#userAgent = userAgent;
    this.#robots = new Robots(userAgent);
    // Each call listens, and there may be many.
    setMaxListeners(0, this.#closed.signal);
  }

  /** Fetches a page. Rejects with a {@link Refusal} that says what to do. */
  async fetch(requested: string, options: FetchOptions): Promise<Page> {
    const url = parseUrl(requested);
    const abort = linkAbort([options.signal, this.#closed.signal]);
    const { signal } = abort;
    const work = this.#turns.run(signal, () => this.#load(url, { ...options, signal }));
    const settled = work.catch(() => {});
    this.#running.add(settled);
    try {
      const page = await work;
      this.#keep(keyOf(url, options.raw), page);
      return page;
    } finally {
      abort.release();
      this.#running.delete(settled);
    }
  }

  /** The page as it was when it was fetched last, when that was a moment ago. */
  kept(requested: string, raw: boolean): Page | undefined {
    const found = this.#kept.get(keyOf(parseUrl(requested), raw));
    return found !== undefined && found.until > Date.now() ? found.page : undefined;
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    this.#closed.abort(new Refusal('the server is stopped'));
    this.#kept.clear();
    await Promise.all(this.#running);
  }

  #keep(key: string, page: Page): void {
    this.#kept.delete(key);
    this.#kept.set(key, { page, until: Date.now() + keptFor });
    for (const oldest of this.#kept.keys()) {
      const size = [...this.#kept.values()].reduce((sum, each) => sum + each.page.text.length, 0);
      if (this.#kept.size <= keptPages && size <= keptCharacters) break;
      this.#kept.delete(oldest);
    }
  }

  async #load(url: URL, { raw, robots, signal }: FetchOptions): Promise<Page> {
    const { timeout, maxRedirects, maxBytes } = this.#settings;
    const exchange = new Exchange({
      policy: this.#policy,
      resolve: this.#resolve,
      userAgent: this.#userAgent,
      maxRedirects,
      timeout,
      signal,
    });
    let response: Response;
    let body: Awaited<ReturnType<typeof readBody>>;
    try {
      const before = robots && this.#settings.robots ? (step: URL) => this.#robots.check(step, exchange) : undefined;
      response = await exchange.follow(url, before);
      checkStatus(response);
      // Refused before it is read where the header says enough.
      kindOf(response.url.href, header(response, 'content-type'));
      body = await readBody(response, maxBytes).catch((error: unknown) => {
        throw exchange.explain(response.url, error);
      });
    } finally {
      await exchange.close();
    }
    return this.#read(url, response, body, raw, signal);
  }

  async #read(
    requested: URL,
    response: Response,
    { bytes, cut }: { bytes: Buffer; cut: boolean },
    raw: boolean,
    signal: AbortSignal,
  ): Promise<Page> {
    const url = response.url.href;
    const contentType = header(response, 'content-type');
    if (looksBinary(bytes, contentType))
      throw new Refusal(
        `${url} is not text, although it says to be ${contentType || 'nothing'}: it cannot be read here`,
      );
    const kind = kindOf(url, contentType, bytes);
    const text = decodeText(bytes, contentType, kind !== 'text');
    const notes: string[] = [];
    if (url !== requested.href) notes.push(`Redirected to ${url}`);
    if (cut)
      notes.push(`Only the first ${this.#settings.maxBytes} bytes were read (option maxBytes); the rest is missing`);
    const facts = { url, status: response.status, contentType };
    if (kind !== 'html' || raw) return { ...facts, title: '', text, simplified: false, notes };
    const convert = () => convertPage(text, url, this.#settings.conversionTimeout, signal);
    const { markdown, title, bare } = await this.#conversions.run(signal, convert);
    if (bare) notes.push('The page is too complex for Markdown: this is its bare text, without links and headings');
    return { ...facts, title, text: markdown, simplified: true, notes };
  }
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw new Refusal(`${JSON.stringify(text)} is no URL: write it whole, https://host/path`);
  const url = new URL(text);
  url.hash = '';
  return url;
}

function keyOf(url: URL, raw: boolean): string {
  return `${raw ? 'raw' : 'simplified'} ${url.href}`;
}

function checkStatus(response: Response): void {
  const { status, url } = response;
  if (status >= 200 && status < 300) return;
  const wait = header(response, 'retry-after').slice(0, 40);
  const words: Record<number, string> = {
    401: 'it asks for a login, which is not possible here',
    403: 'it refuses programs, or everybody without a login',
    404: 'there is no such page: check the URL, or search for it',
    410: 'the page is gone',
    429: `too many requests: try again ${wait === '' ? 'later' : `after ${wait}`}`,
  };
  const meaning = words[status] ?? (status >= 500 ? 'the site has a problem: try again later' : 'no page was sent');
  throw new Refusal(`Failed to fetch ${url.href} - status code ${status}: ${meaning}`);
}
