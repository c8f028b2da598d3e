// From whatever was thrown to a problem document (RFC 9457). Throwing problems is everybody else's business.
import { randomUUID } from 'node:crypto';
import { STATUS_CODES } from 'node:http';
import { isDenied, Problem, StoreConflict } from 'plugboard';
import type { JsonObject, Log } from 'plugboard';

/** Media type of every error. */
export const problemType = 'application/problem+json';

/** What a client is shown of an error. */
export interface ShownProblem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly document: JsonObject;
}

/** A problem whose answer carries headers of its own, e.g. `Allow`. */
export class ProblemWithHeaders extends Problem {
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    status: number,
    code: string,
    detail: string,
    headers: Readonly<Record<string, string>>,
    extra: JsonObject = {},
  ) {
    super(status, code, detail, extra);
    this.headers = headers;
  }
}

/** Codes of errors for people that the request itself has caused; all others are faults of the proxy. */
const callersFault =
  /^(?:CONFIG_\w+|PLUGIN_(?:NOT_FOUND|INVALID|OPTIONS|NEEDS)|SERVER_NAME|REFUSED_BIND|CANNOT_LISTEN)$/;

/** The document of an error. What nobody foresaw is logged, and shown without its cause. */
export function showProblem(error: unknown, log: Log, request: { method: string; path: string }): ShownProblem {
  const problem = toProblem(error);
  if (problem !== undefined) {
    const headers = problem instanceof ProblemWithHeaders ? problem.headers : {};
    return { status: problem.status, headers, document: documentOf(problem) };
  }
  const instance = `urn:uuid:${randomUUID()}`;
  log.error(`${request.method} ${request.path} failed`, { instance, error });
  const detail = 'The proxy failed to answer; its log has the cause, under the value of `instance`.';
  return { status: 500, headers: {}, document: documentOf(new Problem(500, 'internal', detail, { instance })) };
}

function documentOf({ status, code, message, extra }: Problem): JsonObject {
  const title = STATUS_CODES[status] ?? 'Error';
  // What is standard comes last: a member of `extra` must not take its place.
  return { ...extra, type: `urn:plugboard:problem:${code}`, title, status, detail: message, code };
}

function toProblem(error: unknown): Problem | undefined {
  if (error instanceof Problem) return isStatus(error.status) ? error : undefined;
  if (error instanceof StoreConflict) {
    const { expected, actual } = error;
    return new Problem(412, 'version-conflict', `${error.message}.`, { expected, actual });
  }
  if (isDenied(error)) return new Problem(403, 'denied', error.message);
  return fromHost(error) ?? fromHttp(error);
}

function isStatus(status: unknown): boolean {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599;
}

/** Errors that are written for people, by their shape: a plugin may have brought its own copy of the class. */
function fromHost(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, hint, hook } = error as { code?: unknown; hint?: unknown; hook?: unknown };
  if (typeof code !== 'string' || typeof hint !== 'string') return undefined;
  // A plugin that refuses its options in `apply` was configured wrongly; one that fails in a hook is a fault.
  if (!callersFault.test(code) && hook !== 'apply') return undefined;
  return new Problem(422, nameOf(code), error.message, { hint });
}

function nameOf(code: string): string {
  return code.toLowerCase().replaceAll('_', '-');
}

/** Errors of the HTTP libraries that may be told: they carry a status of their own. */
function fromHttp(error: unknown): Problem | undefined {
  if (!(error instanceof Error)) return undefined;
  const { status, expose } = error as { status?: unknown; expose?: unknown };
  if (expose !== true || !isStatus(status)) return undefined;
  const title = STATUS_CODES[status as number] ?? 'error';
  return new Problem(status as number, title.toLowerCase().replace(/[^a-z]+/g, '-'), error.message);
}
