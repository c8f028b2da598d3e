// Plugboard as the bench starts it: with its own command line, on a port found here. The only file of the bench that
// knows the proxy's configuration.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Caller } from '../load/caller.ts';
import { Connection } from '../load/connection.ts';
import { Child, freePort, root } from '../process.ts';
import type { Isolation, ProxyOptions, Running, ServerAddress } from './proxy.ts';

const cli = join(root, 'core/bin/plugboard.js');
// Inside the repository, so that generated plugins find the package `plugboard`.
const folder = join(root, '.cache/bench', `run-${process.pid}`);
// More than any entry opens, for each session may have an upstream connection of its own.
const sessions = 2000;
let configurations = 0;

/** One entry of `mcpServers`. */
function server(address: ServerAddress, isolation: Isolation | undefined): object {
  const where = 'url' in address ? { type: 'http', url: address.url } : address;
  return isolation === undefined ? where : { ...where, isolation };
}

/** Writes plugins that tap the three hooks of a call and do nothing; gives their entries for `plugins`. */
function noOpPlugins(directory: string, count: number): Record<string, object> {
  const entries: Record<string, object> = {};
  for (let n = 1; n <= count; n++) {
    const source = `import { definePlugin } from 'plugboard';
export default definePlugin({
  id: 'no-op-${n}',
  apiVersion: 1,
  apply({ hooks }) {
    hooks.on('onListTools', (tools) => tools);
    hooks.on('onCallTool', () => undefined);
    hooks.on('onToolResult', (result) => result);
  },
});
`;
    writeFileSync(join(directory, `no-op-${n}.mjs`), source);
    entries[`./no-op-${n}.mjs`] = {};
  }
  return entries;
}

/** Writes a configuration (JSON is YAML) into a folder of its own and returns its path. */
function configure(plugins: (directory: string) => object, mcpServers: object): string {
  if (configurations === 0) process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const directory = join(folder, String(++configurations));
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'plugboard.yaml');
  const limits = { maxLeases: sessions };
  writeFileSync(file, JSON.stringify({ plugins: plugins(directory), mcpServers, limits }, undefined, 2));
  return file;
}

function spawn(config: string, port: number, probe: boolean): Running {
  const child = new Child(cli, ['up', '--config', config, '--port', String(port)], probe);
  return { child, url: `http://127.0.0.1:${port}` };
}

/** The names of the tools listed at `url`, or undefined while nobody listens there. */
async function listed(url: string): Promise<string[] | undefined> {
  const connection = await Connection.open(url).catch(() => undefined);
  if (connection === undefined) return undefined;
  const names = await new Caller(connection, `${url}/mcp`, 'new').names();
  connection.close();
  return names;
}

/** Resolves when `url` lists a tool of every one of `servers`; the list may be answered earlier, with less. */
function untilListed({ child, url }: Running, servers: string[]): Promise<string[]> {
  return child.until(`did not list the tools of ${servers.join(', ')} at ${url}/mcp`, async () => {
    const names = await listed(url);
    const complete = servers.every((name) => names?.some((tool) => tool.startsWith(`${name}_`)));
    return complete ? names : undefined;
  });
}

/** Starts the proxy in front of `servers` and waits until it lists their tools. */
export async function startPlugboard(
  servers: Record<string, ServerAddress>,
  { isolation, noOpPlugins: count = 0 }: ProxyOptions = {},
): Promise<Running> {
  const entries = Object.entries(servers).map(([name, address]) => [name, server(address, isolation)]);
  const http = { maxSessionsPerGrant: sessions };
  const plugins = (directory: string): object => ({ http, upstream: {}, ...noOpPlugins(directory, count) });
  const running = spawn(configure(plugins, Object.fromEntries(entries)), await freePort(), true);
  await untilListed(running, Object.keys(servers));
  return running;
}

/** ms from starting the process to the first `tools/list` with the tools of `filesystem` and `memory`. */
export async function timeStart(): Promise<number> {
  const local = (directory: string): object => ({
    http: {},
    filesystem: { root: directory },
    memory: { path: directory },
  });
  const config = configure(local, {});
  const port = await freePort();
  const started = performance.now();
  const running = spawn(config, port, false);
  await untilListed(running, ['filesystem', 'memory']);
  const took = performance.now() - started;
  await running.child.stop();
  return took;
}
