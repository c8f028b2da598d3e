// Claude Code as a process of its own, headless, with nothing to talk to but what a test gives it. No expectations live here.
import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { guardChild } from '@plugboard/test-kit';
import type { JsonObject } from 'plugboard';
import { folderFor, root } from './stand.ts';

/** The agent's program: the one that `.ci/claude-code/install.mjs` installs, or the one that CLAUDE_CODE names. Undefined: there is none. */
export const claudeCode = [
  process.env['CLAUDE_CODE'] ?? '',
  path.join(root, `.ci/claude-code/node_modules/@anthropic-ai/claude-code-${process.platform}-${process.arch}/claude`),
].find((file) => file !== '' && existsSync(file));

/** What `plugboard task render ID --for claude --json` prints. */
export interface Rendered {
  readonly files: Readonly<Record<string, string>>;
  readonly flags: readonly string[];
  readonly environment: readonly string[];
  readonly warnings: readonly string[];
}

export interface RunOptions {
  readonly flags: readonly string[];
  readonly prompt: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A place for an agent to work in, over several runs. */
export interface Desk {
  /** Its folder, with the rendered files. */
  readonly folder: string;
  /** `HOST:PORT` of whatever the agent wanted to reach beyond this machine; none of it was reached. */
  readonly strangers: readonly string[];
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Starts the agent; it is ended with the test. */
  start(options: RunOptions): AgentRun;
}

/** One run of the agent. */
export interface AgentRun {
  /** Its `stream-json` output so far. */
  readonly messages: readonly JsonObject[];
  /** What it said about trouble. */
  readonly errors: string;
  /** Resolves with the exit code when it has ended; undefined when a signal ended it. */
  readonly ended: Promise<number | undefined>;
  /** Ends it without asking. */
  kill(): Promise<void>;
}

/** Makes a place to work in. The agent's home is a temporary folder; a way out is a proxy that notes and refuses. */
export async function deskFor(t: ExecutionContext): Promise<Desk> {
  const [folder, home] = [await folderFor(t), await folderFor(t)];
  const strangers: string[] = [];
  const wall = await wallFor(t, strangers);
  const write = async (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
      await writeFile(path.join(folder, name), text);
    }
  };
  const start = ({ flags, prompt, env }: RunOptions) => {
    if (claudeCode === undefined) throw new Error('the agent is not installed');
    const wanted = { ...baseEnvironment(home, wall), ...env };
    const child = spawn(claudeCode, [...flags], { cwd: folder, env: wanted });
    child.stdin.on('error', () => {}).end(prompt);
    const run = new Run(child);
    t.teardown(() => run.kill());
    return run;
  };
  return { folder, strangers, write, start };
}

function baseEnvironment(home: string, wall: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    CI: '1',
    ANTHROPIC_API_KEY: 'none',
    DISABLE_TELEMETRY: '1',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    HTTP_PROXY: wall,
    HTTPS_PROXY: wall,
    NO_PROXY: '127.0.0.1,localhost',
  };
}

/** A forward proxy that forwards nothing. */
async function wallFor(t: ExecutionContext, strangers: string[]): Promise<string> {
  const server: Server = createServer((request, response) => {
    strangers.push(request.headers.host ?? '');
    response.writeHead(403).end();
  });
  server.on('connect', (request, socket) => {
    strangers.push(request.url ?? '');
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

class Run implements AgentRun {
  readonly messages: JsonObject[] = [];
  errors = '';
  readonly ended: Promise<number | undefined>;
  readonly #child: ChildProcessWithoutNullStreams;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    guardChild(child);
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#printed(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.errors += text));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code) => resolve(code ?? undefined));
    });
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended.catch(() => {});
  }

  #printed(line: string): void {
    try {
      this.messages.push(JSON.parse(line) as JsonObject);
    } catch {
      this.errors += `${line}\n`;
    }
  }
}
