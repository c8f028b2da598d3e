// `plugboard add`, `remove`, `update`, `install`, `list` and `outdated`: the plugins of a configuration. How they are installed: `../install/`.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { checkOptions, configFileNames, findConfigFile, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { withMember } from '../config-edit.ts';
import { PlugboardError } from '../errors.ts';
import { Installation } from '../install/installation.ts';
import type { InstallPolicy } from '../install/policy.ts';
import { loadPlugin, presentPlugins } from '../loader.ts';
import { lockFileOf, readLockFile } from '../lock-file.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { isObject } from '../protocol/messages.ts';
import { replaceFile } from '../replace-file.ts';
import { readIndexes } from '../registry/indexes.ts';
import type { Indexes } from '../registry/indexes.ts';
import { choosePlugin, newestFor } from '../registry/choose.ts';
import type { ChosenPlugin } from '../registry/choose.ts';
import { addServer } from './add-server.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { confirm } from './confirm.ts';
import { Steps } from './steps.ts';

export interface PluginOptions {
  readonly config?: string;
  readonly refresh?: boolean;
}

export interface AddOptions extends PluginOptions {
  readonly yes?: boolean;
  readonly options?: string;
  readonly server?: boolean;
  readonly as?: string;
  readonly set?: readonly string[];
}

/** Where a command works: the configuration, which `add` may have to make. */
interface Place {
  readonly file: string;
  readonly config: Config | undefined;
}

/** `plugboard add NAME…`: plugins are installed, servers of the catalogue are written into the configuration. */
export async function add(names: readonly string[], options: AddOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const indexes = await indexesOf(place, options, output);
  const present = new Set(presentPlugins(path.dirname(place.file)).map(({ id }) => id));
  const here = names.filter((name) => options.server !== true && present.has(name));
  const servers = names.filter((name) => !here.includes(name) && isServer(name, indexes, options));
  for (const id of here) await configureOnly(id, place, options, output);
  const plugins = names
    .filter((name) => !servers.includes(name) && !here.includes(name))
    .map((name) => choosePlugin(name, indexes, place.config?.registry.scripts ?? []));
  const written = [];
  for (const name of servers) written.push(await addServer(name, { file: place.file, indexes, options }, output));
  if (plugins.length > 0) await addPlugins(plugins, place, options, output);
  else if (output.json) output.printJson({ servers: written });
  return exitCodes.ok;
}

/** A plugin that is installed beside the core, or by the user's own package.json, only has to be configured. */
async function configureOnly(id: string, { file, config }: Place, options: AddOptions, output: Console): Promise<void> {
  if (config?.plugins.some(({ key }) => key === id) === true && options.options === undefined)
    throw new PlugboardError('CONFIG_EXISTS', `${file}: plugins.${id} is there already`);
  const before = config === undefined ? firstText(file) : await readFile(file, 'utf8');
  const text = withMember(before, file, ['plugins', id], readOptions(options.options) ?? {});
  await replaceFile(file, text, 0o644);
  const problems = await loadConfig(file, { tolerant: true }).then(
    (next) => optionProblems(id, next),
    (error: Error) => error.message,
  );
  if (problems !== undefined) {
    if (config === undefined) await rm(file, { force: true });
    else await replaceFile(file, before, 0o644);
    throw new PlugboardError('PLUGIN_OPTIONS', `${problems}; give them with --options '{"…": …}'`);
  }
  if (output.json) output.printJson({ configured: id });
  else output.print(`${output.paint('green', '✔')} ${id} is installed already, and now configured in ${file}`);
}

/** What is wrong with a plugin's options, or undefined. */
async function optionProblems(id: string, config: Config): Promise<string | undefined> {
  const entry = config.plugins.find(({ key }) => key === id);
  const { plugin } = await loadPlugin(id, config.directory);
  if (entry === undefined || plugin.options === undefined) return undefined;
  try {
    checkOptions(config, entry, plugin.options);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

async function addPlugins(
  plugins: readonly ChosenPlugin[],
  place: Place,
  options: AddOptions,
  output: Console,
): Promise<void> {
  for (const plugin of plugins) describe(plugin, output);
  if (
    options.yes !== true &&
    !(await confirm(`Install ${plugins.map(({ package: name }) => name).join(', ')}?`, output))
  )
    throw new PlugboardError('USAGE', 'nothing was installed');
  const given = readOptions(options.options);
  const steps = new Steps(output);
  const installation = installationAt(place, steps);
  try {
    const { installed, live } = await installation.change({
      add: plugins,
      remove: [],
      configure: (text, file, ids) =>
        ids.reduce(
          (before, id) =>
            has(before, file, id) && given === undefined
              ? before
              : withMember(before, file, ['plugins', id], given ?? {}),
          text === '' ? firstText(file) : text,
        ),
    });
    steps.end();
    report(installed, live, output);
  } finally {
    steps.end();
  }
}

/** `plugboard remove ID…` */
export async function remove(ids: readonly string[], options: PluginOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const lock = await readLockFile(lockFileOf(path.dirname(place.file)));
  for (const id of ids) {
    if (lock.plugins[id] === undefined && !isConfigured(place, id))
      throw new PlugboardError('USAGE', `there is no plugin "${id}" in ${place.file} (see \`plugboard list\`)`);
  }
  const steps = new Steps(output);
  try {
    const { live } = await installationAt(place, steps).change({
      add: [],
      remove: ids,
      configure: (text, file) => ids.reduce((before, id) => withMember(before, file, ['plugins', id], undefined), text),
    });
    steps.end();
    if (output.json) output.printJson({ removed: ids, live });
    else output.print(`${ids.join(', ')} removed${live ? ', the running proxy goes on without' : ''}`);
  } finally {
    steps.end();
  }
  return exitCodes.ok;
}

/** `plugboard update [ID…]`: to the newest versions that fit this core. */
export async function update(ids: readonly string[], options: PluginOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const newer = (await compareWithIndex(place, options, output)).filter(
    ({ id, newest }) => newest !== undefined && (ids.length === 0 || ids.includes(id)),
  );
  const plugins = newer.flatMap(({ newest }) => newest ?? []);
  if (plugins.length === 0) {
    if (output.json) output.printJson({ installed: [], live: false });
    else output.print('every plugin is up to date');
    return exitCodes.ok;
  }
  const steps = new Steps(output);
  try {
    const { installed, live } = await installationAt(place, steps).change({
      add: plugins,
      remove: [],
      configure: (text) => text,
    });
    steps.end();
    report(installed, live, output);
  } finally {
    steps.end();
  }
  return exitCodes.ok;
}

/** `plugboard install`: what plugboard.lock names, in a fresh copy of a repository. */
export async function install(options: PluginOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const steps = new Steps(output);
  const installation = installationAt(place, steps);
  const { plugins } = await installation.lock();
  if (Object.keys(plugins).length > 0) await installation.restore().finally(() => steps.end());
  if (output.json) output.printJson({ plugins });
  else output.print(`${Object.keys(plugins).length} plugins installed as plugboard.lock says`);
  return exitCodes.ok;
}

/** `plugboard list`: the plugins of the configuration, and what is installed of them. */
export async function list(options: PluginOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const lock = await readLockFile(lockFileOf(path.dirname(place.file)));
  const keys = [...new Set([...(place.config?.plugins.map(({ key }) => key) ?? []), ...Object.keys(lock.plugins)])];
  const plugins = keys.map((id) => ({ id, ...lock.plugins[id], configured: isConfigured(place, id) }));
  if (output.json) output.printJson({ plugins });
  else {
    const rows = plugins.map(({ id, package: name, version, configured }) => [
      id,
      name ?? '',
      version ?? '',
      version === undefined ? 'not installed here' : configured ? 'in use' : 'not configured',
    ]);
    if (rows.length > 0) output.print(await output.table(['plugin', 'package', 'version', 'state'], rows));
    output.note(`${rows.length} plugins`);
  }
  return exitCodes.ok;
}

/** `plugboard outdated`: installed plugins of which there is a newer version for this core. */
export async function outdated(options: PluginOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const all = await compareWithIndex(place, options, output);
  const old = all.filter(({ newest }) => newest !== undefined);
  if (output.json)
    output.printJson({ outdated: old.map(({ id, version, newest }) => ({ id, version, newest: newest?.version })) });
  else {
    const rows = old.map(({ id, version, newest }) => [id, version, newest?.version ?? '']);
    if (rows.length > 0) output.print(await output.table(['plugin', 'installed', 'newest'], rows));
    output.note(rows.length === 0 ? 'every plugin is up to date' : `${rows.length} can be updated: plugboard update`);
  }
  return exitCodes.ok;
}

interface Compared {
  readonly id: string;
  readonly version: string;
  /** Undefined: it is the newest that fits. */
  readonly newest: ChosenPlugin | undefined;
}

async function compareWithIndex(place: Place, options: PluginOptions, output: Console): Promise<Compared[]> {
  const lock = await readLockFile(lockFileOf(path.dirname(place.file)));
  const indexes = await indexesOf(place, options, output);
  return Object.entries(lock.plugins).map(([id, { version }]) => ({
    id,
    version,
    newest: newestFor(id, version, indexes),
  }));
}

/** The configuration of a command; without one, the file that `add` will make. */
async function findPlace(given: string | undefined): Promise<Place> {
  const file = given === undefined ? findConfigFile(process.cwd()) : path.resolve(given);
  if (file === undefined) return { file: path.resolve(configFileNames[0]), config: undefined };
  const config = await loadConfig(file, { tolerant: true }).catch((error: unknown) => {
    if (error instanceof PlugboardError && error.code === 'CONFIG_NOT_FOUND') return undefined;
    throw error;
  });
  return { file, config };
}

async function indexesOf({ config }: Place, { refresh }: PluginOptions, output: Console): Promise<Indexes> {
  const indexes = await readIndexes({ urls: config?.registry.indexes ?? [], refresh: refresh === true });
  for (const warning of indexes.warnings) output.note(`warning: ${warning}`);
  return indexes;
}

function installationAt({ file, config }: Place, steps: Steps): Installation {
  const { scopes, registries, signedOnly = false, scripts = [] } = config?.registry ?? {};
  const policy: InstallPolicy = { scopes, registries, signedOnly, scripts };
  return new Installation({ configFile: file, policy, step: (text) => steps.show(text), signal: steps.signal });
}

function isServer(name: string, indexes: Indexes, { server }: AddOptions): boolean {
  const known = indexes.servers.some(({ id }) => id === name);
  if (server === true) return true;
  return known && !indexes.plugins.some((plugin) => plugin.id === name && plugin.versions.length > 0);
}

function isConfigured({ config }: Place, id: string): boolean {
  return config?.plugins.some(({ key }) => key === id) === true;
}

function has(text: string, file: string, id: string): boolean {
  return (
    withMember(text, file, ['plugins', id], undefined) !== withMember(text, file, ['plugins', `${id}-none`], undefined)
  );
}

/** What a new configuration begins with: nothing runs that was not added. */
function firstText(file: string): string {
  return file.endsWith('.json') ? '{ "plugins": {} }' : 'plugins: {}\n';
}

function readOptions(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new PlugboardError('USAGE', `--options: ${text} is no JSON object`);
}

/** What a plugin may do, before it is installed. */
function describe(plugin: ChosenPlugin, output: Console): void {
  if (output.json) return;
  const { package: name, version, title, from, signed, provenance, capabilities, warnings } = plugin;
  output.note(`${output.paint('bold', `${name}@${version}`)}${title === undefined ? '' : ` — ${title}`}`);
  output.note(
    `  found in: ${from}; ${signed ? 'signed' : 'not signed'} by its registry${provenance ? ', with proof of how it was built' : ''}`,
  );
  const needs = Object.entries(capabilities).map(
    ([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') : JSON.stringify(value)}`,
  );
  output.note(needs.length === 0 ? '  it declares no needs' : `  it needs ${needs.join('; ')}`);
  for (const warning of warnings) output.note(`  ${output.paint('yellow', `warning: ${warning}`)}`);
}

function report(installed: readonly { id: string; version: string }[], live: boolean, output: Console): void {
  if (output.json) {
    output.printJson({ installed, live });
    return;
  }
  for (const { id, version } of installed)
    output.print(`${output.paint('green', '✔')} ${id} ${version} ${live ? 'runs' : 'installed'}`);
}
