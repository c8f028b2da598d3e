// One MCP client of either era over one connection: requests as text, answers checked. Knows no timing.
import { randomBytes } from 'node:crypto';
import { type Answer, Connection } from './connection.ts';
import { checkBlob, checkCall, ListCheck, messageOf } from './check.ts';

/** `old`: 2025-11-25 with `initialize` and a session; `new`: 2026-07-28, every request with its envelope. */
export type Era = 'old' | 'new';

/** What is sent over and over. `tool` is the name as the server under test exposes it. */
export type Work =
  | { kind: 'call'; tool: string }
  | { kind: 'blob'; tool: string; kib: number }
  | { kind: 'list'; tools: number };

export const versions = { old: '2025-11-25', new: '2026-07-28' } as const;

const clientInfo = { name: 'bench', version: '1.0.0' };
const envelope = JSON.stringify({
  'io.modelcontextprotocol/protocolVersion': versions.new,
  'io.modelcontextprotocol/clientCapabilities': {},
  'io.modelcontextprotocol/clientInfo': clientInfo,
});

export class Caller {
  readonly #connection: Connection;
  readonly #url: URL;
  readonly #era: Era;
  readonly #run = randomBytes(12).toString('hex');
  // Every caller counts from the same number, as real clients do, so that a proxy mixing up ids is found out.
  // Seven digits, so that all requests and answers of a run have the same length.
  #id = 1_000_000;
  #session: string | undefined;
  #heads = new Map<string, string>();
  #list: ListCheck | undefined;

  constructor(connection: Connection, url: string, era: Era) {
    this.#connection = connection;
    this.#url = new URL(url);
    this.#era = era;
  }

  /** Connects a caller of its own connection and, in the old era, opens its session. */
  static async connect(url: string, era: Era): Promise<Caller> {
    const caller = new Caller(await Connection.open(url), url, era);
    await caller.open();
    return caller;
  }

  get session(): string | undefined {
    return this.#session;
  }

  /** Old era: `initialize` and `notifications/initialized`. New era: nothing to do. */
  async open(): Promise<void> {
    if (this.#era === 'new') return;
    const params = { protocolVersion: versions.old, capabilities: {}, clientInfo };
    const answer = await this.#request('initialize', JSON.stringify(params));
    if (answer.status !== 200) throw new Error(`initialize was answered ${answer.status}: ${answer.body.toString()}`);
    this.#session = /\r\nmcp-session-id: *(\S+)/i.exec(answer.head)?.[1];
    this.#heads.clear();
    const initialized = '{"jsonrpc":"2.0","method":"notifications/initialized"}';
    const accepted = await this.#connection.send(this.#head('notifications/initialized'), initialized);
    if (accepted.status !== 202) throw new Error(`notifications/initialized was answered ${accepted.status}`);
  }

  /** Ends the session (old era) with DELETE and closes the connection. */
  async close(): Promise<void> {
    await this.end();
    this.#connection.close();
  }

  /** Ends the session (old era) with DELETE, over its own or another connection, which stays open. */
  async end(connection = this.#connection): Promise<void> {
    if (this.#session === undefined) return;
    const answer = await connection.send(this.#head('', 'DELETE'), '');
    if (answer.status >= 300) throw new Error(`DELETE of a session was answered ${answer.status}`);
    this.#session = undefined;
    this.#heads.clear();
  }

  /** Does one unit of work with arguments never used before. Returns what is wrong with the answer, if anything. */
  async work(work: Work): Promise<string | undefined> {
    if (work.kind === 'list') {
      this.#list ??= new ListCheck(work.tools);
      return this.#list.check(await this.list(), this.#id);
    }
    const text = `${this.#run} distinct argument of call ${this.#id + 1}`;
    const argument = work.kind === 'call' ? { text } : { text, kib: work.kib };
    const params = `{"name":"${work.tool}","arguments":${JSON.stringify(argument)}}`;
    const answer = await this.#request('tools/call', params, work.tool);
    return work.kind === 'call' ? checkCall(answer, this.#id, text) : checkBlob(answer, this.#id, text, work.kib);
  }

  /** Sends `tools/list`. */
  list(): Promise<Answer> {
    return this.#request('tools/list', '{}');
  }

  /** The names in the answer to `tools/list`; throws when it is not one. */
  async names(): Promise<string[]> {
    const answer = await this.list();
    const message = messageOf(answer) as { result?: { tools?: { name: string }[] } } | undefined;
    if (message?.result?.tools === undefined) throw new Error(`tools/list: ${answer.status} ${answer.body.toString()}`);
    return message.result.tools.map((tool) => tool.name);
  }

  #request(method: string, params: string, name?: string): Promise<Answer> {
    const separator = params === '{}' ? '' : ',';
    const full = this.#era === 'old' ? params : `${params.slice(0, -1)}${separator}"_meta":${envelope}}`;
    const body = `{"jsonrpc":"2.0","id":${++this.#id},"method":"${method}","params":${full}}`;
    return this.#connection.send(this.#head(method, 'POST', name), body);
  }

  #head(method: string, verb = 'POST', name?: string): string {
    const known = this.#heads.get(method);
    if (known !== undefined) return known;
    const lines = [
      `${verb} ${this.#url.pathname} HTTP/1.1`,
      `Host: ${this.#url.host}`,
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
    ];
    if (method !== 'initialize') lines.push(`MCP-Protocol-Version: ${versions[this.#era]}`);
    if (this.#session !== undefined) lines.push(`Mcp-Session-Id: ${this.#session}`);
    if (this.#era === 'new') lines.push(`Mcp-Method: ${method}`);
    if (this.#era === 'new' && name !== undefined) lines.push(`Mcp-Name: ${name}`);
    const head = `${lines.join('\r\n')}\r\nContent-Length: `;
    this.#heads.set(method, head);
    return head;
  }
}
