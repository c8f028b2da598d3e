// `plugboard add NAME…`: plugins are installed, those that are there are configured, servers of the catalogue are written into the configuration.
import path from 'node:path';
import { checkOptions, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { withMember } from '../config-edit.ts';
import { PlugboardError } from '../errors.ts';
import type { InstalledPlugin } from '../install/installation.ts';
import { loadPlugin, presentPlugins } from '../loader.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { isObject } from '../protocol/messages.ts';
import { choosePlugin } from '../registry/choose.ts';
import type { ChosenPlugin } from '../registry/choose.ts';
import type { Indexes } from '../registry/indexes.ts';
import { addServer, describeServer } from './add-server.ts';
import type { AddedServer } from './add-server.ts';
import { ConfigChange } from './config-change.ts';
import { canAsk, confirm } from './confirm.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { findPlace, indexesOf, installationAt, isConfigured } from './place.ts';
import type { Place, PluginOptions } from './place.ts';
import { Steps } from './steps.ts';

export interface AddOptions extends PluginOptions {
  readonly yes?: boolean;
  readonly options?: string;
  readonly server?: boolean;
  readonly as?: string;
  readonly set?: readonly string[];
}

/** What was done, as `--json` prints it. */
interface Added {
  readonly installed: readonly InstalledPlugin[];
  readonly configured: readonly string[];
  readonly servers: readonly AddedServer[];
  /** True when a running proxy has taken it. */
  readonly live: boolean;
  /** Why the running proxy goes on as it was. */
  readonly refused?: string;
}

/** Throws USAGE, CONFIG_EXISTS, PLUGIN_OPTIONS, and INSTALL_REFUSED or INSTALL_FAILED, then with everything as it was. */
export async function add(names: readonly string[], options: AddOptions, output: Console): Promise<number> {
  const place = await findPlace(options.config);
  const indexes = await indexesOf(place, options, output);
  const present = new Set(presentPlugins(path.dirname(place.file)).map(({ id }) => id));
  const here = names.filter((name) => options.server !== true && present.has(name));
  const servers = names.filter((name) => !here.includes(name) && isServer(name, indexes, options));
  const plugins = names
    .filter((name) => !servers.includes(name) && !here.includes(name))
    .map((name) => choosePlugin(name, indexes, place.config?.registry.scripts ?? []));
  if (plugins.length > 0 && !(await mayInstall(plugins, options, output))) {
    output.note('nothing was installed');
    return exitCodes.error;
  }
  const steps = new Steps(output);
  try {
    const { installed, live } = await addPlugins(plugins, place, options, steps);
    const written = await configure(here, servers, { place, indexes, options }, steps);
    steps.end();
    report({ installed, ...written, live: written.live || live }, place.file, output);
  } finally {
    steps.end();
  }
  return exitCodes.ok;
}

/** Shows what the plugins are and need, and asks. Throws USAGE when there is nobody to ask and --yes was not said. */
async function mayInstall(plugins: readonly ChosenPlugin[], options: AddOptions, output: Console): Promise<boolean> {
  for (const plugin of plugins) describe(plugin, output);
  if (options.yes === true) return true;
  const names = plugins.map(({ package: name }) => name).join(', ');
  if (!canAsk(output))
    throw new PlugboardError('USAGE', `nobody can be asked here whether ${names} shall be installed: say --yes`);
  return await confirm(`Install ${names}?`, output);
}

async function addPlugins(
  plugins: readonly ChosenPlugin[],
  place: Place,
  options: AddOptions,
  steps: Steps,
): Promise<{ readonly installed: readonly InstalledPlugin[]; readonly live: boolean }> {
  if (plugins.length === 0) return { installed: [], live: false };
  const given = readOptions(options.options);
  return await installationAt(place, steps).change({
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
}

interface Writing {
  readonly place: Place;
  readonly indexes: Indexes;
  readonly options: AddOptions;
}

/** Writes what needs no installation, in one change for the running proxy. */
async function configure(
  here: readonly string[],
  names: readonly string[],
  { place, indexes, options }: Writing,
  steps: Steps,
): Promise<Omit<Added, 'installed'>> {
  if (here.length === 0 && names.length === 0) return { configured: [], servers: [], live: false };
  const change = await ConfigChange.begin(place.file);
  const servers: AddedServer[] = [];
  try {
    for (const id of here) await configureOnly(id, place, options, change);
    for (const name of names) servers.push(await addServer(name, { file: place.file, indexes, options }));
  } catch (error) {
    await change.takeBack();
    throw error;
  }
  // A variable can be set after this command: the entry that refers to it stays.
  const settled = await change.settle(
    steps,
    servers.some(({ unset }) => unset.length > 0),
  );
  return { configured: here, servers, ...settled };
}

/** A plugin that is installed beside the core, or by the user's own package.json, only has to be configured. */
async function configureOnly(
  id: string,
  { file, config }: Place,
  options: AddOptions,
  change: ConfigChange,
): Promise<void> {
  if (isConfigured(config, id) && options.options === undefined)
    throw new PlugboardError('CONFIG_EXISTS', `${file}: plugins.${id} is there already`);
  const before = config === undefined && change.text === '' ? firstText(file) : change.text;
  await change.write(withMember(before, file, ['plugins', id], readOptions(options.options) ?? {}));
  const problems = await loadConfig(file, { tolerant: true }).then(
    (next) => optionProblems(id, next),
    (error: Error) => error.message,
  );
  if (problems !== undefined) throw new PlugboardError('PLUGIN_OPTIONS', problems);
}

/** What is wrong with a plugin's options, and how to give them; undefined when nothing is. */
async function optionProblems(id: string, config: Config): Promise<string | undefined> {
  const entry = config.plugins.find(({ key }) => key === id);
  const { plugin } = await loadPlugin(id, config.directory);
  if (entry === undefined || plugin.options === undefined) return undefined;
  try {
    // The file is as it was when this is read, so places in it would mislead.
    checkOptions({ ...config, locate: () => id }, entry, plugin.options);
    return undefined;
  } catch (error) {
    const example = exampleOf((error as Error).message, id);
    return `${(error as Error).message}; give them with --options '${example}'`;
  }
}

/** The options that are missing, as they are to be given. */
function exampleOf(message: string, id: string): string {
  const keys = [...message.matchAll(/plugins\.([\w-]+)\.([\w-]+): is missing/g)].flatMap(([, owner, key]) =>
    owner === id && key !== undefined ? [key] : [],
  );
  return keys.length === 0 ? '{"…": …}' : `{${[...new Set(keys)].map((key) => `"${key}": …`).join(', ')}}`;
}

function isServer(name: string, indexes: Indexes, { server }: AddOptions): boolean {
  const known = indexes.servers.some(({ id }) => id === name);
  if (server === true) return true;
  return known && !indexes.plugins.some((plugin) => plugin.id === name && plugin.versions.length > 0);
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
  const origin =
    signed === undefined
      ? 'whether its registry has signed it is not known before the download'
      : `${signed ? 'signed' : 'not signed'} by its registry${provenance === true ? ', with proof of how it was built' : ''}`;
  output.note(`  found in: ${from}; ${origin}`);
  output.note(`  ${needsOf(capabilities)}`);
  for (const warning of warnings) output.note(`  ${output.paint('yellow', `warning: ${warning}`)}`);
}

function needsOf(capabilities: JsonObject | undefined): string {
  if (capabilities === undefined) return 'what it needs is not known before the download';
  const needs = Object.entries(capabilities).map(
    ([key, value]) => `${key}: ${Array.isArray(value) ? value.join(', ') : JSON.stringify(value)}`,
  );
  return needs.length === 0 ? 'it declares no needs' : `it needs ${needs.join('; ')}`;
}

function report(added: Added, file: string, output: Console): void {
  if (output.json) {
    const servers = added.servers.map(({ name, secrets, settings, unset }) => ({ name, secrets, settings, unset }));
    output.printJson({ ...added, servers });
    return;
  }
  const { installed, configured, servers, live, refused } = added;
  const mark = output.paint('green', '✔');
  for (const { id, version } of installed) output.print(`${mark} ${id} ${version} ${live ? 'runs' : 'installed'}`);
  const taken = live ? ', and the running proxy has taken it' : '';
  for (const id of configured)
    output.print(`${mark} ${id} is installed already, and now configured in ${file}${taken}`);
  for (const server of servers) describeServer(server, `${file}${taken}`, output);
  const unset = servers.flatMap((server) => server.unset);
  if (refused !== undefined)
    output.note(
      `${output.paint('yellow', 'warning:')} the running proxy refuses the file and goes on as it was: ${refused}; start it again with ${unset.join(', ')} set`,
    );
  else if (unset.length > 0 && !live)
    output.note(`${output.paint('yellow', 'warning:')} until ${unset.join(', ')} is set the proxy will not start`);
}
