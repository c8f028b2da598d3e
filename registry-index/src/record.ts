// The program that records tools: `node registry-index/dist/src/record.js ID…`. Of an npm server it installs the newest version of its
// package without its scripts, starts it, asks for its tools, and writes the answer and the version into `servers/ID.json`; a plugin of
// this repository is started as it is, and its tools are written into `plugins/ID.json`.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { workspaceFolders } from './build.ts';
import { packageFolder } from './entry-files.ts';
import { entryText } from './entry-text.ts';
import { listStdioTools } from './list-tools.ts';
import { toMcpServersEntry } from './mcp-servers-entry.ts';
import { installPackages } from './npm.ts';
import { pluginEntrySchema } from './plugin-entry.ts';
import { askEntry } from './plugin-versions.ts';
import { runAsProgram, UsageError } from './program.ts';
import { serverEntrySchema } from './server-entry.ts';
import type { ServerEntry, StdioStart } from './server-entry.ts';
import { summarizeTools } from './tool-summary.ts';

const usage = `node registry-index/dist/src/record.js [--value NAME=TEXT]… [--folder FOLDER] ID…
  --value NAME=TEXT  text to use for an input; others that are required get a made-up one
  --folder FOLDER    keeps installed packages there; what is there already is not installed again`;

interface Settings {
  readonly values: Readonly<Record<string, string>>;
  readonly folder: string;
}

/** Where the program of an installed package is, and its version. */
async function findProgram(folder: string, start: StdioStart): Promise<{ program: string; version: string }> {
  const home = path.join(folder, 'node_modules', start.package);
  const manifest = JSON.parse(await readFile(path.join(home, 'package.json'), 'utf8')) as {
    version: string;
    bin?: string | Record<string, string>;
  };
  const name = start.executable ?? start.package.slice(start.package.lastIndexOf('/') + 1);
  const bins = typeof manifest.bin === 'string' ? { [name]: manifest.bin } : (manifest.bin ?? {});
  const bin = bins[name] ?? Object.values(bins)[0];
  if (bin === undefined) throw new Error(`${start.package}: has no program`);
  return { program: path.join(home, bin), version: manifest.version };
}

async function install(start: StdioStart, folder: string): Promise<string> {
  const home = path.join(folder, start.package.replaceAll(/[@/]/g, '_'));
  await mkdir(home, { recursive: true });
  const present = await findProgram(home, start).catch(() => undefined);
  if (present !== undefined) return home;
  await writeFile(path.join(home, 'package.json'), '{ "private": true }\n');
  await installPackages(home, [start.package]);
  return home;
}

async function record(server: ServerEntry, { values, folder }: Settings): Promise<ServerEntry> {
  const index = server.start.findIndex((start) => start.type === 'stdio' && start.runner === 'npx');
  const start = server.start[index];
  if (start?.type !== 'stdio') throw new Error(`${server.id}: has no start with npx`);
  const { program, version } = await findProgram(await install(start, folder), start);
  const known = Object.fromEntries(
    Object.entries(values).filter(([name]) => !server.permissions.secrets.includes(name)),
  );
  const { entry, secrets, settings } = toMcpServersEntry(server, { start: index, values: pickKnown(start, known) });
  const madeUp = [...secrets, ...settings].map(({ name }) => name);
  const resolve = (text: string) =>
    text.replaceAll(/\$\{env:([^}]+)\}/g, (_, name: string) => values[name] ?? `made-up-${name.toLowerCase()}`);
  const skipped = start.executable === undefined ? 2 : 4;
  const tools = await listStdioTools({
    command: process.execPath,
    args: [program, ...(entry.args ?? []).slice(skipped).map(resolve)],
    env: Object.fromEntries(Object.entries(entry.env ?? {}).map(([name, text]) => [name, resolve(text)])),
  });
  const { toolsUnknown: _, ...rest } = server;
  const { type, runner, package: name, version: __, ...more } = start;
  const pinned: StdioStart = { type, runner, package: name, version, ...more };
  const starts = server.start.map((each, place) => (place === index ? pinned : each));
  const without = madeUp.length === 0 ? {} : { without: madeUp };
  return { ...rest, start: starts, tools: summarizeTools(tools), toolsFrom: { kind: 'listing', version, ...without } };
}

/** Values are given for several servers at once; each takes those that it knows. */
function pickKnown(start: StdioStart, values: Readonly<Record<string, string>>): Record<string, string> {
  const names = [...start.env, ...start.args, ...(start.runtimeArgs ?? [])].flatMap((each) => {
    if (typeof each === 'string') return [];
    return 'flag' in each ? [each.flag.replace(/^-+/, '')] : [each.name];
  });
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { value: { type: 'string', multiple: true, default: [] }, folder: { type: 'string' } },
  });
  if (positionals.length === 0) throw new UsageError('name a server');
  const pairs = values.value.map((pair) => {
    const cut = pair.indexOf('=');
    if (cut < 1) throw new UsageError(`--value ${pair}: write NAME=TEXT`);
    return [pair.slice(0, cut), pair.slice(cut + 1)] as const;
  });
  const folder = values.folder ?? (await mkdtemp(path.join(tmpdir(), 'plugboard-record-')));
  try {
    for (const id of positionals) await recordEntry(id, { values: Object.fromEntries(pairs), folder });
  } finally {
    if (values.folder === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** Records one entry into its file; a failure is told and is the program's exit code. */
async function recordEntry(id: string, settings: Settings): Promise<void> {
  const file = path.join(packageFolder(), 'servers', `${id}.json`);
  const ofPlugin = path.join(packageFolder(), 'plugins', `${id}.json`);
  try {
    if (existsSync(ofPlugin)) return await recordPlugin(id, ofPlugin);
    const text = await readFile(file, 'utf8').catch(() => {
      throw new Error(`there is no ${file}: write the entry first`);
    });
    const { $schema, ...given } = JSON.parse(text) as { $schema?: string };
    const recorded = await record(serverEntrySchema.parse(given), settings);
    await writeFile(file, entryText({ $schema, ...recorded }));
    console.log(`${id}: ${recorded.tools?.length} tools`);
  } catch (error) {
    console.error(`${id}: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

async function recordPlugin(id: string, file: string): Promise<void> {
  const { $schema, ...given } = JSON.parse(await readFile(file, 'utf8')) as { $schema?: string };
  const entry = pluginEntrySchema.parse(given);
  const folders = await workspaceFolders();
  const folder = folders.get(id);
  if (folder === undefined) throw new Error('it is no plugin of this repository: the index of versions has its tools');
  const { tools } = await askEntry(entry, folder, (other) => folders.get(other));
  await writeFile(file, entryText({ $schema, ...entry, tools }));
  console.log(`${id}: ${tools.length} tools`);
}

await runAsProgram(import.meta.filename, usage, main);
