// Trying a plugin: it is applied, used and stopped in a process of its own (`life-process.ts`), in a folder of its own, without this environment.
import { fork } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { guardChild } from '../child-guard.ts';
import type { LifeQuestion, LifeReply, LifeReport } from './life-question.ts';
import { readPackage } from './subject.ts';
import type { PluginSubject } from './subject.ts';

/** ms for the whole life of a plugin, with patience for handles that take their time. */
const patience = 180_000;

/** Lives that go on at a time: more of them would only wait for each other, and run into their limits. */
const maxLives = 2;
let lives = 0;
const waiting: (() => void)[] = [];

/** Tries a plugin, when its turn has come. Rejects when its process ends before it has answered, or never answers. */
export async function tryPlugin(subject: PluginSubject, entry: string): Promise<LifeReport> {
  const { options = {}, variants = [], beside = {}, files = {}, env = {} } = subject;
  const folders = Object.entries(beside);
  const packages = await Promise.all(folders.map(([folder]) => readPackage(folder)));
  const question: LifeQuestion = {
    entry,
    trials: [options, ...variants],
    beside: folders.map(([, given], index) => [packages[index]?.entry ?? '', given] as const),
  };
  const directory = await mkdtemp(path.join(tmpdir(), 'plugboard-contract-'));
  if (lives >= maxLives) await new Promise<void>((resolve) => waiting.push(resolve));
  lives += 1;
  try {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(directory, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text);
    }
    return await ask(question, directory, env);
  } finally {
    lives -= 1;
    waiting.shift()?.();
    await rm(directory, { recursive: true, force: true });
  }
}

function ask(question: LifeQuestion, directory: string, env: Readonly<Record<string, string>>): Promise<LifeReport> {
  // Standard input stays open: a transport takes its end for the end of its client.
  const child = fork(fileURLToPath(new URL('./life-process.js', import.meta.url)), [], {
    cwd: directory,
    env: { PATH: process.env['PATH'], HOME: directory, ...env },
    stdio: ['pipe', 'pipe', 'pipe', 'ipc'],
    execArgv: [],
  });
  guardChild(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-4000)));
  return new Promise<LifeReport>((resolve, reject) => {
    const refuse = (reason: string) =>
      reject(new Error(`${question.entry}: ${reason}${output === '' ? '' : `\n${output.trim()}`}`));
    const timer = setTimeout(() => {
      refuse(`it did not come to an end within ${patience / 1000} s`);
      child.kill('SIGKILL');
    }, patience);
    child.once('message', (reply: LifeReply) => ('report' in reply ? resolve(reply.report) : refuse(reply.problem)));
    child.once('error', (error) => refuse(error.message));
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      refuse(`it ended its process with ${signal ?? `code ${code}`}`);
    });
    child.send(question);
  });
}
