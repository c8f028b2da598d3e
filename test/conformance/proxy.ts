// A proxy for the suites: starts Plugboard in front of one upstream, given as JSON, prints its address, and ends with its standard input.
//   node proxy.js '{"type":"http","url":"http://127.0.0.1:1234/mcp"}' [--over-websocket]
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Host, configFrom } from 'plugboard';
import type { JsonObject, Log } from 'plugboard';

/** The name under which the upstream is configured: the suites are given the endpoint of this one server. */
export const serverName = 'fixture';

/** Starts two proxies, the first of which reaches the second over WebSocket: what a client of either side sees went through both ends. */
export async function startChain(
  upstream: JsonObject,
  log: Log = quiet,
): Promise<{ url: string; close(): Promise<void> }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plugboard-conformance-'));
  const start = async (config: JsonObject) => Host.start(await configFrom(config, directory), { scope: () => log });
  const second = await start({
    plugins: { http: { port: 0 }, websocket: {} },
    mcpServers: { [serverName]: upstream },
  });
  const address = second.service<{ address(): { url: string } }>('websocket')?.address().url ?? '';
  const first = await start({
    plugins: { http: { port: 0 }, websocket: { serve: false } },
    mcpServers: { [serverName]: { type: 'websocket', url: `${address}/${serverName}` } },
  });
  const { url } = first.service<{ address(): { url: string } }>('http')?.address() ?? {};
  const close = async () => {
    await first.stop();
    await second.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return { url: `${url}/${serverName}`, close };
}

/** Starts a proxy with the plugins `http` and `upstream` in this process. */
export async function startProxy(
  upstream: JsonObject,
  log: Log = quiet,
): Promise<{ url: string; host: Host; close(): Promise<void> }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'plugboard-conformance-'));
  const config = await configFrom(
    { plugins: { http: { port: 0 } }, mcpServers: { [serverName]: upstream } },
    directory,
  );
  const host = await Host.start(config, { scope: () => log });
  const { url } = host.service<{ address(): { url: string } }>('http')?.address() ?? {};
  const close = async () => {
    await host.stop();
    await rm(directory, { recursive: true, force: true });
  };
  return { url: `${url}/${serverName}`, host, close };
}

const quiet: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (message) => process.stderr.write(`${message}\n`),
};

if (import.meta.filename === process.argv[1]) {
  const upstream = JSON.parse(process.argv[2] ?? '{}') as JsonObject;
  const { url, close } = await (process.argv[3] === '--over-websocket' ? startChain : startProxy)(upstream);
  process.stdout.write(`${JSON.stringify({ url })}\n`);
  const end = () => void close().then(() => process.exit(0));
  process.once('SIGTERM', end);
  process.stdin.once('end', end).resume();
}
