// `plugboard remove NAME…`: installed plugins are uninstalled; others, and servers, are taken out of the configuration.
import { withMember } from '../config-edit.ts';
import type { EntryPlace } from '../config-edit.ts';
import { PlugboardError } from '../errors.ts';
import { isObject } from '../protocol/messages.ts';
import { ConfigChange } from './config-change.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { findPresent, installationAt, isConfigured } from './place.ts';
import type { PluginOptions } from './place.ts';
import { Steps } from './steps.ts';

export interface RemoveOptions extends PluginOptions {
  readonly server?: boolean;
}

type Present = Awaited<ReturnType<typeof findPresent>>;

/** Throws USAGE for a name that the configuration does not have, INSTALL_FAILED when the running proxy refuses; then everything is as it was. */
export async function remove(names: readonly string[], options: RemoveOptions, output: Console): Promise<number> {
  const present = await findPresent(options.config);
  const { file, lock } = present;
  const places = names.map((name) => placeOf(name, present, options.server === true));
  const without = (text: string) => places.reduce((before, place) => removed(before, file, place), text);
  const installed = places.flatMap(([section, name]) =>
    section === 'plugins' && lock.plugins[name] !== undefined ? [name] : [],
  );
  const steps = new Steps(output);
  try {
    const live =
      installed.length === 0 ? await edit(file, without, steps) : await uninstall(installed, present, without, steps);
    steps.end();
    if (output.json) output.printJson({ removed: names, live });
    else output.print(`${names.join(', ')} removed${live ? ', the running proxy goes on without' : ''}`);
  } finally {
    steps.end();
  }
  return exitCodes.ok;
}

async function uninstall(
  remove: readonly string[],
  { file, config }: Present,
  configure: (text: string) => string,
  steps: Steps,
): Promise<boolean> {
  return (await installationAt({ file, config }, steps).change({ add: [], remove, configure })).live;
}

async function edit(file: string, without: (text: string) => string, steps: Steps): Promise<boolean> {
  const change = await ConfigChange.begin(file);
  await change.write(without(change.text));
  return (await change.settle(steps, false)).live;
}

/** Where a name stands: as a plugin, else as a server. */
function placeOf(name: string, { file, config, lock }: Present, server: boolean): EntryPlace {
  const { written } = config;
  const stands = (section: EntryPlace[0]) =>
    isObject(written) && isObject(written[section]) && Object.hasOwn(written[section], name);
  if (!server && (stands('plugins') || lock.plugins[name] !== undefined)) return ['plugins', name];
  if (stands('mcpServers')) return ['mcpServers', name];
  throw new PlugboardError(
    'USAGE',
    isConfigured(config, name)
      ? `${file} does not name the plugin "${name}", it runs because of what else stands there`
      : `${file} has no plugin and no server "${name}" (see \`plugboard list\` and its \`mcpServers\`)`,
  );
}

function removed(text: string, file: string, place: EntryPlace): string {
  return withMember(text, file, place, undefined);
}
