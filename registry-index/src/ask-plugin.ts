// Asks a plugin about itself: its definition, the keys of its options, and the tools that its servers list. It runs in a process of its
// own (`plugin-process.ts`), because importing a plugin is running it.
import { fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ToolSummary } from './entry-parts.ts';

/** What to start. */
export interface PluginQuestion {
  /** Folder of the package that is asked. */
  readonly folder: string;
  /** The section `plugins` of the configuration to start it with, by the folder of each package; undefined: only describe it. */
  readonly plugins?: Readonly<Record<string, object>>;
}

/** What it said. */
export interface PluginAnswer {
  readonly id: string;
  readonly apiVersion: number;
  /** Keys of its options. */
  readonly options: readonly string[];
  /** Sorted by server and name; empty when it was not started. */
  readonly tools: readonly (ToolSummary & { readonly server: string })[];
}

/** ms that a plugin may take to load, start, list and stop. */
const patience = 60_000;

/** Asks a plugin. Rejects with its own words when it does not load, start or list. */
export async function askPlugin(question: PluginQuestion): Promise<PluginAnswer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'plugboard-ask-'));
  try {
    return await ask(question, directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What the process answers. */
export type PluginReply = { readonly answer: PluginAnswer } | { readonly problem: string };

function ask(question: PluginQuestion, directory: string): Promise<PluginAnswer> {
  const program = fileURLToPath(new URL('./plugin-process.js', import.meta.url));
  // Standard input stays open: a transport takes its end for the end of its client. Nothing of this environment is handed on.
  const child = fork(program, [], {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: directory },
    stdio: ['pipe', 'ignore', 'pipe', 'ipc'],
    execArgv: [],
  });
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
  return new Promise<PluginAnswer>((resolve, reject) => {
    const refuse = (reason: string) =>
      reject(new Error(`${question.folder}: ${reason}${errors === '' ? '' : `\n${errors.trim()}`}`));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      refuse(`said nothing within ${patience / 1000} s`);
    }, patience);
    child.once('message', (reply: PluginReply) => ('answer' in reply ? resolve(reply.answer) : refuse(reply.problem)));
    child.once('error', (error) => refuse(error.message));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      refuse(`its process ended with ${signal ?? `code ${code}`} before it answered`);
    });
    child.send(question);
  });
}
