// robots.txt (RFC 9309): fetched through the same guards as pages, kept for a while, and asked before each page.
import { createContext, Script } from 'node:vm';
import robotsParser from 'robots-parser';
import { readBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { Refusal } from './settings.ts';

/** Bytes that are read of one file; RFC 9309 asks for no less. */
const maxBytes = 512 * 1024;
const keptOrigins = 100;
const keptFor = 60 * 60 * 1000;
/** ms that one file may compute: one was made whose patterns would take for ever. */
const matchTime = 1000;

const hint =
  'Tell the user that the page could not be read and why. They may read it themselves, use the prompt "fetch", ' +
  'or set the option robots to false';

interface Rules {
  readonly until: number;
  readonly text: string;
}

export class Robots {
  readonly #userAgent: string;
  /** By origin, the longest unused first. */
  readonly #kept = new Map<string, Rules>();

  constructor(userAgent: string) {
    this.#userAgent = userAgent;
  }

  /** Throws a {@link Refusal} unless the site lets programs fetch this URL. */
  async check(url: URL, exchange: Exchange): Promise<void> {
    const file = new URL('/robots.txt', url);
    const text = this.#find(url.origin) ?? this.#keep(url.origin, await load(file, exchange));
    if (text === '') return;
    if (!isAllowed(file.href, text, url.href, this.#userAgent))
      throw new Refusal(`${file.href} asks programs (${this.#userAgent}) not to fetch ${url.href}. ${hint}`);
  }

  #find(origin: string): string | undefined {
    const rules = this.#kept.get(origin);
    this.#kept.delete(origin);
    if (rules === undefined || rules.until < Date.now()) return undefined;
    this.#kept.set(origin, rules);
    return rules.text;
  }

  #keep(origin: string, text: string): string {
    this.#kept.set(origin, { until: Date.now() + keptFor, text });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptOrigins) break;
      this.#kept.delete(oldest);
    }
    return text;
  }
}

/** The file's text; empty when there is none. */
async function load(file: URL, exchange: Exchange): Promise<string> {
  const response = await exchange.follow(file);
  const { status, body } = response;
  if (status >= 200 && status < 300) {
    try {
      return (await readBody(response, maxBytes)).bytes.toString('utf8');
    } catch (error) {
      throw exchange.explain(file, error);
    }
  }
  body.on('error', () => {}).destroy();
  if (status === 401 || status === 403)
    throw new Refusal(`${file.href} answers ${status}, so programs are not wanted there. ${hint}`);
  if (status >= 500) throw new Refusal(`${file.href} answers ${status}: try again later. ${hint}`);
  return '';
}

/** Its declarations call the function the default of a module, which it is not. */
const parse = robotsParser as unknown as typeof robotsParser.default;

const script = new Script('work()');

function isAllowed(file: string, text: string, url: string, userAgent: string): boolean {
  let allowed = true;
  const work = () => {
    allowed = parse(file, text).isAllowed(url, userAgent) !== false;
  };
  try {
    // Only the virtual machine can interrupt what computes without end.
    script.runInContext(createContext({ work }), { timeout: matchTime });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    throw new Refusal(`${file} takes too long to understand, so the page is not fetched. ${hint}`);
  }
  return allowed;
}
