// What an agent reads when GitHub did not do what it was asked for. Every text says what to do next, and none holds a token.
import { isObject } from 'plugboard';
import type { Attempt } from './ask.ts';
import { limitOf } from './rate-limits.ts';
import type { RateLimit } from './rate-limits.ts';

/** An error in words for the agent. */
export class Failure extends Error {
  /** HTTP status of GitHub's answer. */
  readonly status: number | undefined;
  readonly limit: RateLimit | undefined;
  constructor(message: string, { status, limit }: { status?: number; limit?: RateLimit } = {}) {
    super(message);
    this.name = 'Failure';
    this.status = status;
    this.limit = limit;
  }
}

/** A failure that asking again does not mend. Octokit repeats whatever a `fetch` throws, unless it goes by this name. */
export class FinalFailure extends Failure {
  constructor(message: string) {
    super(message);
    this.name = 'AbortError';
  }
}

export interface FailureContext {
  readonly attempt: Attempt;
  readonly token: string | undefined;
  /** ms. */
  readonly timeout: number;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number | undefined>>;
  readonly message: string;
  readonly data: unknown;
}

const longestMessage = 600;
const mostDetails = 10;

/** Puts whatever a request failed with into words. */
export function failureOf(error: unknown, context: FailureContext): Failure {
  const own = findOwn(error);
  if (own !== undefined) return own;
  const answer = answerOf(error);
  if (answer === undefined) return new Failure(masked(unreachable(error, context), context.token));
  const limit = limitOf(answer);
  const message = limit === undefined ? refused(answer, context) : limited(limit, context.token);
  return new Failure(masked(message, context.token), { status: answer.status, ...(limit !== undefined && { limit }) });
}

/** A rate limit in words. */
export function limited({ until, secondary }: RateLimit, token: string | undefined): string {
  const name = secondary ? 'GitHub’s secondary rate limit (too much at once)' : 'GitHub’s rate limit';
  const seconds = Math.max(1, Math.ceil((until - Date.now()) / 1000));
  const anonymous = token === undefined ? ' Without a token GitHub allows little: somebody should configure one.' : '';
  return `${name} is reached: try again at ${new Date(until).toISOString()} (in ${seconds} s), not before. Nothing was changed.${anonymous}`;
}

/** Said when the time of a call is over, or its client has cancelled it. */
export function ended({ attempt }: FailureContext): string {
  const { signal, sent } = attempt;
  const reason: unknown = signal.reason;
  if (!(reason instanceof Error) || reason.name !== 'TimeoutError') return `The call was cancelled.${doubt(attempt)}`;
  if (!sent)
    return 'Too many calls are waiting for GitHub, and this one had no turn in time (option maxWait): try again in a minute. Nothing was sent.';
  return `GitHub did not answer in time (option maxWait): try again later.${doubt(attempt)}`;
}

/** Our own words may be wrapped by the libraries that they came through. */
function findOwn(error: unknown): Failure | undefined {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth += 1)
    if (each instanceof Failure) return each;
  return undefined;
}

function answerOf(error: unknown): Answer | undefined {
  const response = isObject(error) || error instanceof Error ? (error as { response?: unknown }).response : undefined;
  if (!isObject(response) || typeof response['status'] !== 'number') return undefined;
  const { status, headers, data } = response;
  const said = isObject(data) ? data['message'] : data;
  const message = typeof said === 'string' && !/^\s*</.test(said) ? said : '';
  return { status, headers: isObject(headers) ? (headers as Answer['headers']) : {}, message, data };
}

function unreachable(error: unknown, { attempt, timeout }: FailureContext): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error && (cause.name === 'TimeoutError' || cause.name === 'AbortError'))
    return `GitHub did not answer within ${timeout} ms (option timeout): try again later.${doubt(attempt)}`;
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const words = inner instanceof Error ? inner.message : String(inner);
  return `GitHub could not be reached, or its answer broke off (${shortened(words)}): try again later.${doubt(attempt)}`;
}

function doubt(attempt: Attempt): string {
  return attempt.writes && attempt.sent ? ' It may have been carried out all the same: look before you repeat it.' : '';
}

function refused(answer: Answer, context: FailureContext): string {
  const { status } = answer;
  const said = `${status}${answer.message === '' ? '' : `: ${shortened(answer.message)}`}`;
  if (status >= 500) return `GitHub failed (${said}): try again later.${doubt(context.attempt)}`;
  if (status === 401)
    return context.token === undefined
      ? `GitHub wants to know who asks (${said}), and no token is configured for this task: somebody has to set the option token or tokens.`
      : `GitHub refused the token (${said}): it is wrong, expired or revoked. Somebody has to replace it in the option token or tokens; repeating does not help.`;
  if (status === 403) return forbidden(answer, said, context.token);
  return `GitHub refused (${said}).${details(answer.data)} ${advice[status] ?? 'Correct the arguments and try again.'}`;
}

const advice: Readonly<Record<number, string>> = {
  404: 'Nothing of that name or number is there, or the token may not see it (GitHub answers the same for both): check owner, repo and the rest, e.g. by listing.',
  405: 'It is not possible in this state: read the pull request first (mergeable, draft, required checks).',
  406: 'It is too large for this kind of answer: ask for less, e.g. file by file.',
  409: 'It contradicts the present state, e.g. somebody else was faster, or the repository is empty: read it anew, then try again.',
  410: 'It is gone, or switched off for this repository.',
  413: 'It is too large: send less at once.',
  422: 'GitHub understood, but does not accept these arguments, or what is to be made exists already: correct what it names.',
  451: 'It is blocked for legal reasons.',
};

function forbidden({ headers, message }: Answer, said: string, token: string | undefined): string {
  if (/too_large|too large/i.test(message))
    return `GitHub refused (${said}). It is too large for the API: clone the repository instead.`;
  if (token === undefined)
    return `GitHub does not allow this without a token (${said}): somebody has to set the option token or tokens.`;
  const needed = headers['x-accepted-github-permissions'] ?? headers['x-accepted-oauth-scopes'];
  const needs = typeof needed === 'string' && needed !== '' ? ` It takes: ${shortened(needed)}.` : '';
  return `GitHub does not allow this to the token of this task (${said}).${needs} Do something else, or ask for a token that may; repeating does not help.`;
}

/** What GitHub says about single fields. */
function details(data: unknown): string {
  const errors = isObject(data) && Array.isArray(data['errors']) ? (data['errors'] as unknown[]) : [];
  const lines = errors.slice(0, mostDetails).map((each) => {
    if (!isObject(each)) return String(each);
    const { field, code, message } = each;
    return [field, code, message].filter((part) => typeof part === 'string').join(' ');
  });
  return lines.length === 0 ? '' : ` ${shortened(lines.join('; '))}.`;
}

function shortened(text: string): string {
  return text.length <= longestMessage ? text : `${text.slice(0, longestMessage)}…`;
}

function masked(text: string, token: string | undefined): string {
  return token === undefined ? text : text.replaceAll(token, '***');
}
