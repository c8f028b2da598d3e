// The process in which a plugin is asked about itself: `ask-plugin.ts` starts it, sends one question and gets one answer. The only file
// that imports the core.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { configFrom, Host, isPlugin, z } from 'plugboard';
import type { Plugin } from 'plugboard';
import type { PluginAnswer, PluginQuestion, PluginReply } from './ask-plugin.ts';
import { compareText, summarizeTools } from './tool-summary.ts';

/** ms between looks at servers that are starting. */
const pause = 20;

const silent = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (message: string) => process.stderr.write(`${message}\n`),
};

process.once('message', (question: PluginQuestion) => {
  void reply(question).then((message) => {
    // A plugin that leaves something open must not keep the build.
    process.send?.(message, () => process.exit(0));
  });
});

async function reply(question: PluginQuestion): Promise<PluginReply> {
  try {
    return { answer: await answer(question) };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

async function answer({ folder, plugins }: PluginQuestion): Promise<PluginAnswer> {
  const plugin = await load(folder);
  const tools = plugins === undefined ? [] : await listTools(plugin.id, plugins);
  return { id: plugin.id, apiVersion: plugin.apiVersion, options: optionKeys(plugin), tools };
}

async function load(folder: string): Promise<Plugin> {
  const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
  const module = (await import(pathToFileURL(path.join(folder, entryOf(manifest))).href)) as { default?: unknown };
  if (!isPlugin(module.default)) throw new Error('its default export is not made by definePlugin');
  return module.default;
}

function entryOf(manifest: Record<string, unknown>): string {
  const exported = manifest['exports'] as { '.'?: unknown } | string | undefined;
  const main = typeof exported === 'object' ? (exported['.'] ?? exported) : exported;
  const target = typeof main === 'object' && main !== null ? pick(main as Record<string, unknown>) : main;
  if (typeof target === 'string') return target;
  return typeof manifest['main'] === 'string' ? manifest['main'] : 'index.js';
}

function pick(conditions: Record<string, unknown>): unknown {
  const key = ['import', 'node', 'default'].find((each) => conditions[each] !== undefined);
  return key === undefined ? undefined : conditions[key];
}

function optionKeys(plugin: Plugin): string[] {
  if (plugin.options === undefined) return [];
  const schema = z.toJSONSchema(plugin.options, { io: 'input', unrepresentable: 'any' });
  return Object.keys(schema.properties ?? {}).sort(compareText);
}

async function listTools(id: string, plugins: Readonly<Record<string, object>>): Promise<PluginAnswer['tools']> {
  const config = await configFrom({ plugins }, process.cwd());
  const host = await Host.start(config, { scope: () => silent });
  try {
    while (host.board.servers().some((server) => server.state === 'starting')) await wait(pause);
    const servers = host.board.servers().filter((server) => server.plugin === id);
    const down = servers.find((server) => server.state !== 'ready');
    if (down !== undefined)
      throw new Error(`its server "${down.name}" is ${down.state}: ${down.reason ?? 'no reason given'}`);
    const names = servers.map((server) => server.name).sort(compareText);
    return names.flatMap((server) =>
      summarizeTools(host.board.catalogue(server)?.tools ?? []).map((tool) => ({ ...tool, server })),
    );
  } finally {
    await host.stop();
  }
}
