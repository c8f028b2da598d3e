// A GitHub of one's own on 127.0.0.1. It answers as GitHub's description shows, or as a test scripts it; what it gets and what it says is judged
// by the description. It keeps no state: what was asked is recorded.
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Description, Operation } from './description.ts';
import { repaired } from './repairs.ts';

export interface Recorded {
  /** `pulls/create`, as described. */
  readonly operation: string;
  readonly method: string;
  /** As it came. */
  readonly path: string;
  /** Decoded. */
  readonly parameters: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: IncomingHttpHeaders;
}

/** What to answer instead of the described example. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  /** Made of the described example. */
  readonly from?: (example: never) => unknown;
  /** Sent as it is, e.g. a diff. */
  readonly text?: string | Buffer;
  /** Not judged: what GitHub does not describe, or garbage. */
  readonly undescribed?: boolean;
  /** Answers in any other way. */
  readonly handle?: (request: IncomingMessage, response: ServerResponse) => void;
}

export class LocalGitHub {
  readonly requests: Recorded[] = [];
  /** What was not as described. A test ends with none. */
  readonly violations: string[] = [];
  readonly #description: Description;
  readonly #prefix: string;
  readonly #scripts = new Map<string, Answer[]>();
  readonly #server: Server;

  private constructor(description: Description, prefix: string) {
    this.#description = description;
    this.#prefix = prefix;
    this.#server = createServer((request, response) => {
      this.#take(request, response).catch((error: unknown) => {
        this.violations.push(String(error));
        response.destroy();
      });
    });
  }

  static async start(description: Description, prefix = ''): Promise<LocalGitHub> {
    const github = new LocalGitHub(description, prefix);
    await new Promise<void>((resolve) => github.#server.listen(0, '127.0.0.1', resolve));
    return github;
  }

  /** Its address, as the option `baseUrl` takes it. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.#prefix}`;
  }

  /** Scripts the next answers of an operation, one after the other; then it answers as described again. */
  answer(operation: string, ...answers: Answer[]): void {
    this.#scripts.set(operation, [...(this.#scripts.get(operation) ?? []), ...answers]);
  }

  /** Requests of one operation. */
  of(operation: string): Recorded[] {
    return this.requests.filter((each) => each.operation === operation);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const method = request.method ?? '';
    const [whole = '', search = ''] = (request.url ?? '').split('?', 2);
    if (!whole.startsWith(`${this.#prefix}/`)) this.violations.push(`${whole} is not below ${this.#prefix}`);
    // Where a repository that was renamed leads to; GitHub does not describe it.
    const path = whole.slice(this.#prefix.length).replace(/^\/repositories\/\d+/, '/repos/octokit-fixture-org/renamed');
    const operation = this.#description.find(method, path);
    if (operation === undefined) {
      this.violations.push(`${method} ${path}: there is no such operation`);
      response.writeHead(404).end();
      return;
    }
    this.requests.push(recordOf(operation, method, path, search, body, request.headers));
    const problems = this.#description.judgeRequest(
      operation,
      new URLSearchParams(search),
      request.headers['content-type'],
      body,
    );
    if (/(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i.test(path)) problems.push('a dot segment in the path');
    this.violations.push(...problems.map((problem) => `${method} ${path}: ${problem}`));
    this.#reply(operation, request, response);
  }

  #reply(operation: Operation, request: IncomingMessage, response: ServerResponse): void {
    const script = this.#scripts.get(operation.id)?.shift() ?? {};
    if (script.handle !== undefined) {
      script.handle(request, response);
      return;
    }
    const example = this.#description.example(operation);
    const status = script.status ?? example.status;
    const published = repaired(operation.id, example.body);
    const text = script.text ?? (Object.keys(script).length === 0 ? textOf(request.headers.accept) : undefined);
    const json = text === undefined ? jsonOf(script, published) : undefined;
    if (script.undescribed !== true && text === undefined)
      this.violations.push(
        ...this.#description.judgeResponse(operation, status, json).map((each) => `answered: ${each}`),
      );
    const type = text === undefined ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8';
    const content = text ?? (json === undefined ? '' : JSON.stringify(json));
    response.writeHead(status, { ...(content.length > 0 && { 'content-type': type }), ...script.headers });
    response.end(status === 204 || status === 205 ? undefined : content);
  }
}

/** What GitHub answers to media types that are not JSON. */
function textOf(accept = ''): string | undefined {
  return accept.includes('.diff')
    ? 'diff --git a/file1.txt b/file1.txt\n--- a/file1.txt\n+++ b/file1.txt\n'
    : undefined;
}

function jsonOf(script: Answer, example: unknown): unknown {
  if (script.from !== undefined) return script.from(example as never);
  return 'json' in script || script.status !== undefined ? script.json : example;
}

function recordOf(
  { id, parameters }: Operation,
  method: string,
  path: string,
  search: string,
  body: Buffer,
  headers: IncomingHttpHeaders,
): Recorded {
  const query = Object.fromEntries(new URLSearchParams(search));
  const parsed: unknown = body.length === 0 ? undefined : JSON.parse(body.toString('utf8'));
  return { operation: id, method, path, parameters, query, body: parsed, headers };
}
