// What the suites are pointed at: servers that are started and listen, and clients that the suites start themselves.
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startChild } from './child.ts';
import { type ClientSuite, clientSuites, type ServerSuite } from './suites.ts';

/** Something that listens. */
export interface Running {
  url: string;
  close(): Promise<void>;
}

/** Something the server suites can be run against. */
export interface ServerTarget {
  name: string;
  suites: readonly ServerSuite[];
  /** Started once for each suite, so that no suite sees what another one left behind. */
  start(): Promise<Running>;
}

/** A client that the client suites can be run over. */
export interface ClientTarget {
  name: string;
  suites: readonly ClientSuite[];
  /** Split at spaces and run by a shell, with the address of the scenario's server added. */
  command: string;
}

export type Target = ServerTarget | ClientTarget;

/** The fixture's program, as a child process is started with it. */
export const fixtureProgram = fileURLToPath(new URL('../fixture.js', import.meta.url));

const proxyClientProgram = fileURLToPath(new URL('../client-through-proxy.js', import.meta.url));

const clientProgram = fileURLToPath(new URL('../client.js', import.meta.url));

/** The fixture and the client without a proxy: what a run with one is compared with. */
export const directTargets: readonly Target[] = [
  { name: 'direct-old', suites: ['0.1.16-all', '2025-11-25'], start: () => startFixtureProcess('old') },
  { name: 'direct-new', suites: ['2026-07-28'], start: () => startFixtureProcess('new') },
  { name: 'direct-client', suites: clientSuites, command: `${process.execPath} ${clientProgram}` },
];

const oldSuites: readonly ServerSuite[] = ['0.1.16-all', '2025-11-25'];
const newSuites: readonly ServerSuite[] = ['2026-07-28'];

/** The proxy in front of the fixture: clients of both eras × servers of both eras, over HTTP and stdio. */
export const proxyTargets: readonly Target[] = [
  { name: 'old → old HTTP', suites: oldSuites, start: () => startProxyProcess('old', 'http') },
  { name: 'old → new HTTP', suites: oldSuites, start: () => startProxyProcess('new', 'http') },
  { name: 'old → old stdio', suites: oldSuites, start: () => startProxyProcess('old', 'stdio') },
  { name: 'old → new stdio', suites: oldSuites, start: () => startProxyProcess('new', 'stdio') },
  { name: 'new → new HTTP', suites: newSuites, start: () => startProxyProcess('new', 'http') },
  { name: 'new → old HTTP', suites: newSuites, start: () => startProxyProcess('old', 'http') },
  { name: 'new → new stdio', suites: newSuites, start: () => startProxyProcess('new', 'stdio') },
  { name: 'new → old stdio', suites: newSuites, start: () => startProxyProcess('old', 'stdio') },
  { name: 'old → old WebSocket', suites: oldSuites, start: () => startProxyProcess('old', 'websocket') },
  { name: 'old → new WebSocket', suites: oldSuites, start: () => startProxyProcess('new', 'websocket') },
  { name: 'new → new WebSocket', suites: newSuites, start: () => startProxyProcess('new', 'websocket') },
  { name: 'proxy as client', suites: clientSuites, command: `${process.execPath} ${proxyClientProgram}` },
];

/** All targets, in the order in which they are run and shown. */
export const targets: readonly Target[] = [...directTargets, ...proxyTargets];

const proxyProgram = fileURLToPath(new URL('../proxy.js', import.meta.url));

/** Starts the proxy as a process of its own, in front of a fixture. */
async function startProxyProcess(era: 'old' | 'new', transport: 'http' | 'stdio' | 'websocket'): Promise<Running> {
  if (transport === 'stdio') {
    const args = [fixtureProgram, '--era', era, '--transport', 'stdio'];
    return startListening([proxyProgram, JSON.stringify({ command: process.execPath, args })]);
  }
  const fixture = await startFixtureProcess(era);
  try {
    const more = transport === 'websocket' ? ['--over-websocket'] : [];
    const proxy = await startListening([proxyProgram, JSON.stringify({ type: 'http', url: fixture.url }), ...more]);
    return { url: proxy.url, close: async () => void (await Promise.all([proxy.close(), fixture.close()])) };
  } catch (error) {
    await fixture.close();
    throw error;
  }
}

/** Starts the fixture as a process of its own, over HTTP. */
export function startFixtureProcess(era: 'old' | 'new'): Promise<Running> {
  return startListening([fixtureProgram, '--era', era, '--transport', 'http']);
}

/**
 * Starts a Node program that prints one JSON line with its `url` when it listens.
 * @throws if it ends before that; the message holds what it wrote to its standard error.
 */
export async function startListening(args: string[], env?: NodeJS.ProcessEnv): Promise<Running> {
  const child = startChild(process.execPath, args, env === undefined ? {} : { env });
  let errors = '';
  child.process.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const { stdout } = child.process;
  if (stdout === null) throw new Error('a started program has no standard output');
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface({ input: stdout }).once('line', resolve)),
    child.ended.then(() => undefined),
  ]);
  if (line === undefined) throw new Error(`${args.join(' ')} ended before it listened:\n${errors}`);
  const { url } = JSON.parse(line) as { url: string };
  return { url, close: () => child.end() };
}
