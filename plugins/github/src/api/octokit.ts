// Octokit, put together: retries, throttling, one identity. The only import of Octokit, loaded at the first call.
import { Octokit } from '@octokit/core';
import { retry } from '@octokit/plugin-retry';
import { throttling } from '@octokit/plugin-throttling';
import { Attempt } from './ask.ts';

const WithPlugins = Octokit.plugin(retry, throttling);

export type Client = InstanceType<typeof WithPlugins>;

/** Repeats of a reading that failed; after 1 s, then after 4 s. */
const retries = 2;

// Octokit would write to the console.
export const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Statuses that stay the same however often one asks. Rate limits are the throttling's business. */
const final = [400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429, 451];

export interface ClientInit {
  readonly baseUrl: string;
  readonly token: string | undefined;
  readonly userAgent: string;
  /** Calls of the same id take turns. */
  readonly id: string;
}

export function newClient({ baseUrl, token, userAgent, id }: ClientInit): Client {
  return new WithPlugins({
    baseUrl,
    userAgent,
    log: silent,
    ...(token !== undefined && { auth: token }),
    retry: { retries, doNotRetry: final },
    throttle: { id, onRateLimit: mayWait, onSecondaryRateLimit: mayWait },
  });
}

/** Asked by the throttling when a limit is reached: wait so many seconds and ask once more? */
function mayWait(seconds: number, options: object, _client: unknown, repeats: number): boolean {
  const { request } = options as { request?: { attempt?: unknown } };
  const attempt = request?.attempt;
  return attempt instanceof Attempt && repeats === 0 && attempt.allows(seconds * 1000);
}
