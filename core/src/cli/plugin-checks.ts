// The plugins of a configuration, checked in a process of their own: whatever one of them does while it is loaded, the others are checked.
// What happens in that process: `probe-plugins.ts`.
import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Config } from '../config.ts';
import type { Finding } from './checks.ts';
import type { ProbeMessage } from './probe-plugins.ts';

/** ms for one plugin to be loaded, or to check itself. */
const patience = 30_000;
/** Characters of what the process says that are kept. */
const maxErrors = 4096;

interface Round {
  readonly findings: readonly Finding[];
  /** Why not all plugins were looked at: the one that ended the process or held it, if one had its turn. */
  readonly stopped?: { readonly key: string | undefined; readonly text: string };
}

/** Checks all plugins. One that ends the process is a finding, and the others are checked without it. */
export async function checkPlugins(config: Config, port: number | undefined): Promise<Finding[]> {
  if (config.plugins.length === 0) return [];
  const found: Finding[] = [];
  const skip: string[] = [];
  for (;;) {
    const { findings, stopped } = await lookOnce(config, port, skip);
    if (stopped === undefined) return inOrder([...found, ...findings], config);
    const { key, text } = stopped;
    const advice = 'correct the plugin, or take it out: it would do the same to the proxy';
    if (key === undefined || skip.includes(key))
      return [...found, { subject: 'plugins', result: 'failure', text, advice }];
    found.push({ subject: `plugin ${key}`, result: 'failure', text, advice });
    skip.push(key);
  }
}

function inOrder(findings: readonly Finding[], { plugins }: Config): Finding[] {
  const subjects = plugins.map(({ key }) => `plugin ${key}`);
  const place = ({ subject }: Finding) => (subjects.includes(subject) ? subjects.indexOf(subject) : subjects.length);
  return findings.toSorted((a, b) => place(a) - place(b));
}

function lookOnce({ file }: Config, port: number | undefined, skip: readonly string[]): Promise<Round> {
  const core = path.dirname(createRequire(import.meta.url).resolve('plugboard/package.json'));
  const args = [
    'probe-plugins',
    ...(file === undefined ? [] : ['--config', file]),
    ...(port === undefined ? [] : ['--port', String(port)]),
    ...skip.flatMap((key) => ['--skip', key]),
  ];
  return new Promise((resolve) => {
    const child = fork(path.join(core, 'bin', 'plugboard.js'), args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    const turn = new Turn(() => child.kill('SIGKILL'));
    const findings: Finding[] = [];
    let errors = '';
    let done = false;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-maxErrors)));
    child.on('message', (message: ProbeMessage) => {
      if ('at' in message) turn.begin(message.at, message.doing);
      else if ('findings' in message) findings.push(...message.findings);
      else done = true;
    });
    child.once('error', (error) => (errors = error.message));
    child.once('close', (code, signal) => {
      turn.end();
      const how = signal ?? `code ${code}`;
      resolve(done ? { findings } : { findings, stopped: { key: turn.key, text: turn.describe(how, errors) } });
    });
  });
}

/** Whose turn it is, and for how long still. */
class Turn {
  key: string | undefined;
  #doing = 'started';
  #late = false;
  #timer: NodeJS.Timeout;
  readonly #giveUp: () => void;

  constructor(giveUp: () => void) {
    this.#giveUp = () => {
      this.#late = true;
      giveUp();
    };
    this.#timer = setTimeout(this.#giveUp, patience);
  }

  begin(key: string, doing: string): void {
    this.key = key;
    this.#doing = doing;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#giveUp, patience);
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  /** `how` the process ended, with the last line of what it said. */
  describe(how: string, errors: string): string {
    const ending = this.#late
      ? `was not ${this.#doing} within ${patience} ms`
      : `ends its process (${how}) while it is ${this.#doing}`;
    const last = errors.trim().split('\n').at(-1) ?? '';
    return last === '' ? ending : `${ending}: ${last}`;
  }
}
