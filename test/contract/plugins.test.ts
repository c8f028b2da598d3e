// Every plugin of this repository under the contract that strangers' plugins keep. Found by folder: a new one is checked as soon as it is built.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packedFiles, pluginContract } from '@plugboard/test-kit/contract';
import type { PluginSubject } from '@plugboard/test-kit/contract';
import test from 'ava';
import { root } from '../e2e/support/stand.ts';

const plugins = path.join(root, 'plugins');
const folderOf = (id: string): string => path.join(plugins, id);

/** What a plugin is started with beside the example of its entry in the index. */
const particulars: Readonly<Record<string, Partial<PluginSubject>>> = {
  // One life with the listener of another plugin, one with its own.
  admin: { beside: { [folderOf('http')]: { port: 0 } }, variants: [{ port: 0 }] },
  taskrun: { beside: { [folderOf('http')]: { port: 0 }, [folderOf('upstream')]: {}, [folderOf('admin')]: {} } },
  // In its other mode it uses the plugin `upstream`; nobody answers there.
  github: {
    beside: { [folderOf('upstream')]: {} },
    variants: [{ mode: 'remote', readOnly: true, url: 'https://127.0.0.1:1/mcp' }],
  },
  websocket: { beside: { [folderOf('http')]: { port: 0 } }, variants: [{ port: 0 }] },
  upstream: {
    options: { servers: { scripted: { command: process.execPath, args: [scriptedServer()] } } },
    // A server over WebSocket is made by the plugin that speaks it; nobody answers there.
    beside: { [folderOf('websocket')]: { serve: false } },
    variants: [{ servers: { far: { type: 'websocket', url: 'ws://127.0.0.1:1/ws' } } }],
  },
};

function scriptedServer(): string {
  return path.join(root, 'test', 'dist', 'e2e', 'servers', 'scripted.js');
}

/** Plugins that are there and built. */
const ids = readdirSync(plugins).filter((id) => {
  const manifest = path.join(folderOf(id), 'package.json');
  if (!existsSync(manifest)) return false;
  const { exports = {} } = JSON.parse(readFileSync(manifest, 'utf8')) as {
    exports?: Record<string, { default?: string }>;
  };
  return existsSync(path.join(folderOf(id), exports['.']?.default ?? 'index.js'));
});

test('there are plugins to check', (t) => {
  t.true(
    ['filesystem', 'http', 'memory', 'stdio', 'upstream'].every((id) => ids.includes(id)),
    ids.join(', '),
  );
});

let packs: Promise<string[][]> | undefined;
const packedOf = async (index: number): Promise<string[]> => {
  packs ??= packedFiles(ids.map(folderOf));
  return (await packs)[index] ?? [];
};

for (const [index, id] of ids.entries()) {
  const example = exampleOf(id);
  const { [id]: options = {}, ...others } = example;
  const beside = Object.fromEntries(Object.entries(others).map(([other, given]) => [folderOf(other), given]));
  const own = particulars[id] ?? {};
  pluginContract(test, {
    folder: folderOf(id),
    options,
    packed: () => packedOf(index),
    ...own,
    beside: { ...beside, ...own.beside },
  });
}

/** What the index says it starts with. */
function exampleOf(id: string): Record<string, Record<string, unknown>> {
  const file = path.join(root, 'registry-index', 'plugins', `${id}.json`);
  if (!existsSync(file)) return {};
  return (
    (JSON.parse(readFileSync(file, 'utf8')) as { example?: Record<string, Record<string, unknown>> }).example ?? {}
  );
}
