// `plugboard update`, `install`, `list` and `outdated`: the plugins that a configuration has. `add` and `remove` are files of their own.
import { PlugboardError } from '../errors.ts';
import { locatePlugin } from '../loader.ts';
import type { PluginPlace } from '../loader.ts';
import { closest } from '../nearest.ts';
import { newestFor } from '../registry/choose.ts';
import type { ChosenPlugin } from '../registry/choose.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { findPresent, indexesOf, installationAt, isConfigured } from './place.ts';
import type { PluginOptions } from './place.ts';
import { Steps } from './steps.ts';

type Present = Awaited<ReturnType<typeof findPresent>>;

/** `plugboard update [ID…]`: to the newest versions that fit this core. */
export async function update(ids: readonly string[], options: PluginOptions, output: Console): Promise<number> {
  const place = await findPresent(options.config);
  for (const id of ids) checkInstalled(id, place);
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
    if (output.json) output.printJson({ installed, live });
    for (const { id, version } of output.json ? [] : installed)
      output.print(`${output.paint('green', '✔')} ${id} ${version} ${live ? 'runs' : 'installed'}`);
  } finally {
    steps.end();
  }
  return exitCodes.ok;
}

function checkInstalled(id: string, { file, config, lock: { plugins } }: Present): void {
  if (plugins[id] !== undefined) return;
  const [nearest] = closest(id, Object.keys(plugins));
  throw new PlugboardError(
    'USAGE',
    isConfigured(config, id)
      ? `plugin "${id}" was not installed by \`plugboard add\`, so it is updated where it came from`
      : `${file} has no installed plugin "${id}"${nearest === undefined ? '' : ` (nearest: ${nearest})`}`,
  );
}

/** `plugboard install`: what plugboard.lock names, in a fresh copy of a repository. */
export async function install(options: PluginOptions, output: Console): Promise<number> {
  const place = await findPresent(options.config);
  const { plugins } = place.lock;
  const steps = new Steps(output);
  if (Object.keys(plugins).length > 0)
    await installationAt(place, steps)
      .restore()
      .finally(() => steps.end());
  if (output.json) output.printJson({ plugins });
  else output.print(`${count(Object.keys(plugins).length)} installed as plugboard.lock says`);
  return exitCodes.ok;
}

/** `plugboard list`: the plugins of the configuration, and what is installed of them. */
export async function list(options: PluginOptions, output: Console): Promise<number> {
  const { config, lock } = await findPresent(options.config);
  const keys = [...new Set([...config.plugins.map(({ key }) => key), ...Object.keys(lock.plugins)])];
  const plugins = keys.map((id) => {
    const place = locatePlugin(id, config.directory, lock.plugins[id]);
    const configured = isConfigured(config, id);
    return {
      id,
      package: place?.package,
      version: place?.version,
      ...lock.plugins[id],
      configured,
      place: place?.kind,
      state: stateOf(place, configured),
    };
  });
  if (output.json) output.printJson({ plugins });
  else {
    const rows = plugins.map(({ id, package: name, version, state }) => [id, name ?? '', version ?? '', state]);
    if (rows.length > 0) output.print(await output.table(['plugin', 'package', 'version', 'state'], rows));
    output.note(count(rows.length));
  }
  return exitCodes.ok;
}

const origins = { home: '', core: ', comes with Plugboard', packages: ', installed by npm', path: ', from its path' };

function stateOf(place: PluginPlace | undefined, configured: boolean): string {
  if (place === undefined) return 'not installed here';
  return `${configured ? 'in use' : 'not configured'}${origins[place.kind]}`;
}

/** `plugboard outdated`: installed plugins of which there is a newer version for this core. */
export async function outdated(options: PluginOptions, output: Console): Promise<number> {
  const place = await findPresent(options.config);
  const all = await compareWithIndex(place, options, output);
  const old = all.filter(({ newest }) => newest !== undefined);
  if (output.json)
    output.printJson({ outdated: old.map(({ id, version, newest }) => ({ id, version, newest: newest?.version })) });
  else {
    const rows = old.map(({ id, version, newest }) => [id, version, newest?.version ?? '']);
    if (rows.length > 0) output.print(await output.table(['plugin', 'installed', 'newest'], rows));
    output.note(
      rows.length === 0 ? 'every plugin is up to date' : `${rows.length} can be updated: \`plugboard update\``,
    );
  }
  return exitCodes.ok;
}

interface Compared {
  readonly id: string;
  readonly version: string;
  /** Undefined: it is the newest that fits. */
  readonly newest: ChosenPlugin | undefined;
}

async function compareWithIndex(place: Present, options: PluginOptions, output: Console): Promise<Compared[]> {
  const indexes = await indexesOf(place, options, output);
  return Object.entries(place.lock.plugins).map(([id, { version }]) => ({
    id,
    version,
    newest: newestFor(id, version, indexes),
  }));
}

function count(plugins: number): string {
  return `${plugins} ${plugins === 1 ? 'plugin' : 'plugins'}`;
}
