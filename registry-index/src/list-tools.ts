// Starts an MCP server as a program and asks for its tools: the handshake of 2025-06-18 and `tools/list`, no more.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { ListedTool } from './tool-summary.ts';

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** ms that a server may take from start to its last answer. */
const patience = 60_000;

/** Lists the tools of a server, all pages. Rejects with what it said on standard error when it ends or stays silent. */
export async function listStdioTools({ command, args, env }: Program): Promise<ListedTool[]> {
  const home = await mkdtemp(path.join(tmpdir(), 'plugboard-list-'));
  // A group of its own, so that what the server starts ends with it.
  const child = spawn(command, args, {
    cwd: home,
    env: { PATH: process.env['PATH'], HOME: home, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  try {
    return await new Conversation(child).tools();
  } finally {
    endGroup(child);
    await rm(home, { recursive: true, force: true }).catch(() => {});
  }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

interface Page {
  readonly tools?: readonly ListedTool[];
  readonly nextCursor?: string;
}

/** Requests one after the other over a pipe. */
class Conversation {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #id = 0;
  #errors = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors = (this.#errors + text).slice(-1500)));
    child.stdin?.on('error', () => {});
    child.once('error', (error) => this.#fail(error.message));
    child.once('close', (code, signal) => this.#fail(`it ended with ${signal ?? `code ${code}`}`));
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#read(line));
  }

  async tools(): Promise<ListedTool[]> {
    const timer = setTimeout(() => this.#fail(`no answer within ${patience / 1000} s`), patience);
    try {
      await this.#ask('initialize', {
        protocolVersion: '2025-06-18',
        capabilities: {},
        clientInfo: { name: 'plugboard-registry-index', version: '0.1.0' },
      });
      this.#send({ method: 'notifications/initialized' });
      const tools: ListedTool[] = [];
      for (let cursor: string | undefined, page = 0; page < 100; page += 1) {
        const answer = (await this.#ask('tools/list', cursor === undefined ? {} : { cursor })) as Page;
        tools.push(...(answer.tools ?? []));
        cursor = answer.nextCursor;
        if (cursor === undefined) break;
      }
      return tools;
    } finally {
      clearTimeout(timer);
    }
  }

  #ask(method: string, params: object): Promise<unknown> {
    this.#id += 1;
    const id = this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#send({ id, method, params });
    });
  }

  #send(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  }

  #read(line: string): void {
    const message = parse(line);
    // Questions of the server are not answered: only its tools are of interest.
    if (message === undefined || typeof message.id !== 'number' || 'method' in message) return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error === undefined) waiting?.resolve(message.result);
    else waiting?.reject(new Error(JSON.stringify(message.error)));
  }

  #fail(reason: string): void {
    for (const { reject } of this.#waiting.values()) reject(new Error(`${reason}\n${this.#errors.trim()}`.trim()));
    this.#waiting.clear();
  }
}

function parse(line: string): { id?: unknown; result?: unknown; error?: unknown } | undefined {
  try {
    return JSON.parse(line) as { id?: unknown };
  } catch {
    return undefined;
  }
}
