// What GitHub said about its rate limits, kept so that nobody asks again before the time. How long a call may wait is not decided here.

/** A limit that was reached. */
export interface RateLimit {
  /** ms since 1970: when asking makes sense again. */
  readonly until: number;
  /** The secondary limit is GitHub's guard against bursts; it holds for everything. */
  readonly secondary: boolean;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly message: string;
}

/** s to wait where GitHub names no time, as its documentation asks for. */
const usualPause = 60;

/** Limits by token and by what GitHub counts together. */
export class RateLimits {
  readonly #limits = new Map<string, RateLimit>();

  /** The limit that holds for a path now. */
  find(token: string, path: string): RateLimit | undefined {
    return this.#get(`${token} secondary`) ?? this.#get(`${token} ${resourceOf(path)}`);
  }

  note(token: string, path: string, limit: RateLimit): void {
    const now = Date.now();
    for (const [key, { until }] of this.#limits) if (until <= now) this.#limits.delete(key);
    this.#limits.set(`${token} ${limit.secondary ? 'secondary' : resourceOf(path)}`, limit);
  }

  #get(key: string): RateLimit | undefined {
    const limit = this.#limits.get(key);
    return limit === undefined || limit.until <= Date.now() ? undefined : limit;
  }
}

/** The limit that an answer tells of; undefined: it is about something else. */
export function limitOf({ status, headers, message }: Answer): RateLimit | undefined {
  if (status !== 403 && status !== 429) return undefined;
  const pause = Number(headers['retry-after']);
  const wordsOfSecondary = /secondary rate|abuse detection/i.test(message);
  if (!wordsOfSecondary && Number(headers['x-ratelimit-remaining'] ?? Number.NaN) === 0) {
    const reset = Number(headers['x-ratelimit-reset']) * 1000;
    return { until: Number.isFinite(reset) ? reset + 1000 : Date.now() + usualPause * 1000, secondary: false };
  }
  const secondary = wordsOfSecondary || status === 429 || pause > 0 || /rate limit/i.test(message);
  return secondary ? { until: Date.now() + (pause > 0 ? pause : usualPause) * 1000, secondary: true } : undefined;
}

function resourceOf(path: string): string {
  if (path.startsWith('/search/code')) return 'code_search';
  return path.startsWith('/search/') ? 'search' : 'core';
}
