// A stand for the plugin: applies it as the host does, calls its server as the core does, and makes repositories with
// the real git. No expectations live here.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { leaseKey, outcomeOf, recordedLog, registeredServer, ServerLease } from '@plugboard/test-kit/stand';
import type { Outcome } from '@plugboard/test-kit/stand';
import test from 'ava';
import type { ExecutionContext, TestFn } from 'ava';
import type { JsonObject, ServerDefinition, Tool, UpstreamCall } from 'plugboard';
import plugin from '../src/index.ts';

const installed = spawnSync('git', ['--version']).status === 0;

/** A test that needs git; left out where it is not installed (Debian: `apt-get install git`). */
export const gitTest = (installed ? test : test.skip) as TestFn;

/** The same, while no other test of its file runs. */
export const serialGitTest = (installed ? test.serial : test.serial.skip) as TestFn;

export interface Client {
  call(tool: string, args?: JsonObject): Promise<Outcome>;
  /** The structured result of a call that must succeed. */
  result(tool: string, args?: JsonObject): Promise<JsonObject>;
  /** The text of a call that must fail. */
  refused(tool: string, args?: JsonObject): Promise<string>;
  list(): Promise<Tool[]>;
  send(tool: string, args?: JsonObject): UpstreamCall;
  close(): Promise<void>;
}

/** Validates options as the host does and applies the plugin; returns what it registers. */
export function register(
  options: JsonObject,
  directory = '/',
  reserved: readonly string[] = [],
  warn: (message: string) => void = () => {},
): Promise<ServerDefinition> {
  return registeredServer(plugin, options, { directory, reserved, log: { ...recordedLog([]), warn } });
}

export const author = { name: 'Task Agent', email: 'agent@example.com' };

/** A lease on this root; it is closed with the test. */
export async function open(t: ExecutionContext, root: string, options: JsonObject = {}): Promise<Client> {
  const client = await connect(await register({ root, author, timeout: 60_000, ...options }));
  t.teardown(() => client.close());
  return client;
}

export async function connect(server: ServerDefinition, key = leaseKey('default')): Promise<Client> {
  const lease = await ServerLease.open(server, key);
  const call = async (tool: string, args: JsonObject = {}): Promise<Outcome> => outcomeOf(await lease.call(tool, args));
  return {
    call,
    result: async (tool, args) => {
      const { structured, text, isError } = await call(tool, args);
      if (isError) throw new Error(`${tool} failed: ${text}`);
      return structured;
    },
    refused: async (tool, args) => {
      const { text, isError } = await call(tool, args);
      if (!isError) throw new Error(`${tool} did not fail: ${text}`);
      return text;
    },
    list: () => lease.list(),
    send: (tool, args = {}) => lease.start('tools/call', { name: tool, arguments: args }),
    close: () => lease.close(),
  };
}

/** A folder that is removed with the test: `root` for the server, and a place outside of it. */
export function folders(t: ExecutionContext): { root: string; outside: string } {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'git-plugin-')));
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  const [root, outside] = [join(base, 'root'), join(base, 'outside')];
  mkdirSync(root);
  mkdirSync(outside);
  return { root, outside };
}

/** Writes files, with the folders they are in. */
export function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

/** The environment in which somebody else runs git here. */
export function plainEnv(home: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: 'Ada',
    GIT_AUTHOR_EMAIL: 'ada@example.com',
    GIT_COMMITTER_NAME: 'Ada',
    GIT_COMMITTER_EMAIL: 'ada@example.com',
  };
}

/** Git as anybody runs it, with all that the repository brings along. Returns its output, whatever its exit code. */
export function git(cwd: string, ...args: string[]): string {
  const ran = spawnSync('git', args, { cwd, env: plainEnv(dirname(cwd)), encoding: 'utf8', input: '' });
  return (ran.stdout + ran.stderr).trim();
}

/** The same; throws when it fails. */
export function mustGit(cwd: string, ...args: string[]): string {
  const ran = spawnSync('git', args, { cwd, env: plainEnv(dirname(cwd)), encoding: 'utf8', input: '' });
  if (ran.status !== 0) throw new Error(`git ${args.join(' ')}: ${ran.stderr}`);
  return ran.stdout.trim();
}

/** A repository with two commits and the branches `main` (current) and `feature`. */
export function repository(folder: string): string {
  mkdirSync(folder, { recursive: true });
  mustGit(folder, 'init', '--quiet', '--initial-branch=main');
  write(folder, { 'a.txt': 'one\n', 'folder/b.txt': 'b\n' });
  mustGit(folder, 'add', '.');
  mustGit(folder, 'commit', '--quiet', '-m', 'First commit');
  mustGit(folder, 'branch', 'feature');
  write(folder, { 'a.txt': 'one\ntwo\n' });
  mustGit(folder, 'commit', '--quiet', '-a', '-m', 'Second commit\n\nWith a body.');
  return folder;
}

export interface Trap {
  /** A program that leaves a mark when it is run. */
  readonly program: string;
  /** Whether it was run since the last time; forgets it. */
  sprung(): boolean;
}

export function trap(folder: string): Trap {
  const [program, mark] = [join(folder, 'trap.sh'), join(folder, 'sprung')];
  // It passes its input on, as filters and converters do.
  writeFileSync(program, `#!/bin/sh\n: > '${mark}'\ncat "\${1:-/dev/null}" 2> /dev/null\nexit 0\n`);
  chmodSync(program, 0o755);
  return {
    program,
    sprung: () => {
      const there = existsSync(mark);
      rmSync(mark, { force: true });
      return there;
    },
  };
}
