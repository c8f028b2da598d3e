// What a test needs around it: a proxy that ends with the test, a folder, clients that are closed. No expectations live here.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { commandLine, startProxy } from '@plugboard/test-kit';
import type { ProxyOptions, ProxyProcess } from '@plugboard/test-kit';
import type { JsonObject } from 'plugboard';
import { StdioProxy } from './raw-stdio.ts';
import { connectClient } from './sdk-clients.ts';
import type { Address, ClientKind, SdkClient } from './sdk-clients.ts';

/** The workspace. */
export const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** An entry of `mcpServers` for the ecosystem's test server. */
export const everything = {
  command: process.execPath,
  args: [path.join(root, 'node_modules', '@modelcontextprotocol', 'server-everything', 'dist', 'index.js'), 'stdio'],
};

/** An entry of `mcpServers` for `servers/scripted.ts`. */
export function scripted(...args: string[]): { command: string; args: string[] } {
  return {
    command: process.execPath,
    args: [fileURLToPath(new URL('../servers/scripted.js', import.meta.url)), ...args],
  };
}

/** An entry of `mcpServers` for the conformance fixture as a child. */
export function fixtureChild(era: 'old' | 'new'): { command: string; args: string[] } {
  const program = fileURLToPath(new URL('../../conformance/fixture.js', import.meta.url));
  return { command: process.execPath, args: [program, '--era', era, '--transport', 'stdio'] };
}

/** Starts `plugboard up`; it is ended with the test. */
export async function proxyFor(
  t: ExecutionContext,
  config: JsonObject | string,
  options?: ProxyOptions,
): Promise<ProxyProcess> {
  t.timeout(180_000);
  const proxy = await startProxy(config, options);
  t.teardown(() => proxy.close());
  return proxy;
}

/** Connects a client; it is closed with the test. */
export async function clientFor(t: ExecutionContext, kind: ClientKind, address: Address): Promise<SdkClient> {
  const client = await connectClient(kind, address);
  t.teardown(() => client.close().catch(() => {}));
  return client;
}

/** A folder that is removed with the test. */
export async function folderFor(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-e2e-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The command of a proxy that serves the client which starts it. */
export function stdioAddress(folder: string, configFile: string): Address {
  return { ...commandLine('up', '--stdio', '--config', configFile), cwd: folder };
}

/** Starts a proxy that serves this test over its pipes; it is ended with the test. */
export async function stdioProxyFor(t: ExecutionContext, config: JsonObject): Promise<StdioProxy> {
  t.timeout(180_000);
  const folder = await folderFor(t);
  const file = path.join(folder, 'plugboard.json');
  await writeFile(file, JSON.stringify(config));
  const client = new StdioProxy(folder, file);
  t.teardown(() => client.kill());
  return client;
}
