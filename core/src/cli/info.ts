// `plugboard info ID`: everything that is known of one entry of the indexes, and of the plugin of that id that is here.
import path from 'node:path';
import { ChoiceError, toMcpServersEntry } from '@plugboard/registry-index';
import type { IndexedPlugin, IndexedServer, ToolSummary } from '@plugboard/registry-index';
import { findConfigFile } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { loadPlugin, locatePlugin } from '../loader.ts';
import { lockFileOf, readLockFile } from '../lock-file.ts';
import { closest } from '../nearest.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { fits } from '../registry/choose.ts';
import type { From } from '../registry/indexes.ts';
import * as z from '../z.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { readFor, serverKind, short } from './search.ts';
import type { SearchOptions } from './search.ts';

/** Throws USAGE when no index has the id. */
export async function info(id: string, options: SearchOptions, output: Console): Promise<number> {
  const indexes = await readFor(options, output);
  const plugin = indexes.plugins.find((each) => each.id === id || each.package === id);
  const server = indexes.servers.find((each) => each.id === id);
  const entry = plugin ?? server;
  if (entry === undefined) {
    const [nearest] = closest(
      id,
      [...indexes.plugins, ...indexes.servers].map((each) => each.id),
    );
    throw new PlugboardError('USAGE', `no index has "${id}"${nearest === undefined ? '' : ` (nearest: ${nearest})`}`);
  }
  if (output.json) {
    output.printJson(entry);
    return exitCodes.ok;
  }
  head(entry, plugin === undefined ? serverKind : plugin.kind, output);
  if (plugin !== undefined) await showPlugin(plugin, options, output);
  else if (server !== undefined) await showServer(server, output);
  return exitCodes.ok;
}

function head(entry: From<IndexedPlugin> | From<IndexedServer>, kind: string, output: Console): void {
  const { id, title, description, status, replacedBy, repository, index } = entry;
  output.print(`${output.paint('bold', title)}  ${kind} ${id}, ${status}`);
  output.print(description);
  if (replacedBy !== undefined) output.print(output.paint('yellow', `replaced by ${replacedBy}`));
  const from = index === 'bundled' ? 'the index that came with Plugboard' : `the index ${index}`;
  output.print(`${repository}; from ${from}`);
}

async function showPlugin(plugin: IndexedPlugin, options: SearchOptions, output: Console): Promise<void> {
  const rows = plugin.versions.map((each) => [
    each.version,
    each.core ?? '',
    fits(each) ? 'yes' : 'no',
    each.signed ? 'yes' : 'no',
    Object.keys(each.capabilities).join(', '),
  ]);
  output.print(`package ${plugin.package}${rows.length === 0 ? ', no version of which the index knows' : ''}`);
  if (rows.length > 0) output.print(await output.table(['version', 'for Plugboard', 'fits', 'signed', 'needs'], rows));
  await showPresent(plugin.id, options, output);
  await showTools(plugin.versions[0]?.tools ?? plugin.tools, output);
}

/** What the plugin that is here says of itself. */
async function showPresent(id: string, options: SearchOptions, output: Console): Promise<void> {
  const file = options.config === undefined ? findConfigFile(process.cwd()) : path.resolve(options.config);
  const directory = file === undefined ? process.cwd() : path.dirname(file);
  const locked = file === undefined ? undefined : (await readLockFile(lockFileOf(directory))).plugins[id];
  const place = locatePlugin(id, directory, locked);
  if (place === undefined) return;
  const { plugin, version, capabilities } = await loadPlugin(id, directory, locked);
  output.print(`here: version ${version ?? 'unknown'}${place.kind === 'core' ? ', which comes with Plugboard' : ''}`);
  const needs = Object.entries(capabilities?.declared ?? {}).map(
    ([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') : JSON.stringify(value)}`,
  );
  output.print(needs.length === 0 ? 'it declares no needs' : `it needs ${needs.join('; ')}`);
  const schema: unknown =
    plugin.options === undefined ? {} : z.toJSONSchema(plugin.options, { io: 'input', unrepresentable: 'any' });
  const rows = isObject(schema) ? optionRows(schema) : [];
  if (rows.length > 0) output.print(await output.table(['option', 'default', 'what it does'], rows));
}

function optionRows({ properties, required }: JsonObject): string[][] {
  const needed = Array.isArray(required) ? required : [];
  return Object.entries(isObject(properties) ? properties : {}).map(([name, schema]) => {
    const { default: initial, description } = isObject(schema) ? schema : {};
    const value = initial === undefined ? '' : JSON.stringify(initial);
    return [name, needed.includes(name) ? 'required' : value, typeof description === 'string' ? description : ''];
  });
}

async function showServer(server: IndexedServer, output: Console): Promise<void> {
  const { version, permissions } = server;
  const { network, filesystem } = permissions;
  if (version !== undefined) output.print(`version ${version}`);
  const hosts = network.includes('*') ? 'any host' : network.length === 0 ? 'no host' : network.join(', ');
  const files = { none: 'no files', read: 'reads files', write: 'reads and writes files' }[filesystem];
  try {
    const { entry, secrets, settings, optional } = toMcpServersEntry(server);
    output.print(`start: ${entry.url ?? [entry.command, ...(entry.args ?? [])].join(' ')}`);
    output.print(`reaches: ${hosts}; ${files}`);
    const rows = [
      ...[...secrets, ...settings].map(({ name, description }) => [name, 'yes', description ?? '']),
      ...optional.map(({ name, description }) => [name, 'no', description ?? '']),
    ];
    if (rows.length > 0) output.print(await output.table(['variable', 'needed', 'what it is'], rows));
  } catch (error) {
    // It cannot be started without a choice, which `plugboard add --set` makes.
    if (!(error instanceof ChoiceError)) throw error;
    output.print(`reaches: ${hosts}; ${files}`);
    output.print(`to start it: ${error.message}`);
  }
  await showTools(server.tools, output);
}

async function showTools(tools: readonly ToolSummary[] | undefined, output: Console): Promise<void> {
  if (tools === undefined || tools.length === 0) return;
  const rows = tools.map(({ name, description, categories = [] }) => [
    name,
    categories.length === 0 ? 'does not say' : categories.join(', '),
    short(description ?? ''),
  ]);
  output.print(await output.table(['tool', 'permissions', 'what it does'], rows));
}
