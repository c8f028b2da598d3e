// Ids and package names of new plugins: what is one, what is taken, and the nearest good one to what was typed.
import { pluginEntrySchema } from '@plugboard/registry-index';
import { PlugboardError } from '../errors.ts';

/** Ids that the proxy uses itself: they would be mistaken for it in logs and errors. */
const reserved: readonly string[] = ['core', 'plugboard'];

const maxIdLength = 40;

/**
 * Checks the id of a new plugin. `taken`: packages by the ids that an index has. Throws USAGE with the nearest id that is good.
 */
export function checkPluginId(id: string, taken: ReadonlyMap<string, string>): void {
  const owner = reserved.includes(id) ? 'Plugboard itself' : taken.get(id);
  if (owner !== undefined)
    throw new PlugboardError('USAGE', `the id "${id}" is taken by ${owner}${suggest(freeId(`my-${id}`, taken))}`);
  if (isId(id)) return;
  const rule = `an id has 2 to ${maxIdLength} lower-case letters, digits and single dashes, and begins with a letter`;
  throw new PlugboardError('USAGE', `"${id}" is no id for a plugin: ${rule}${suggest(freeId(nearestId(id), taken))}`);
}

/** Throws USAGE when npm would not take the name. */
export function checkPackageName(name: string): void {
  if (pluginEntrySchema.shape.package.safeParse(name).success) return;
  throw new PlugboardError(
    'USAGE',
    `--package: "${name}" is no name of an npm package; write one such as @acme/plugboard-weather`,
  );
}

/** The name for people that an id stands for: `deny-list` → `Deny list`. */
export function titleOf(id: string): string {
  const words = id.replaceAll('-', ' ');
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

function isId(text: string): boolean {
  return pluginEntrySchema.shape.id.safeParse(text).success;
}

/** What was probably meant; undefined when nothing of it can be used. */
function nearestId(text: string): string | undefined {
  const words = text
    // A package name was typed: its last part says what the plugin is.
    .replace(/^@[^/]*\//, '')
    .replace(/^plugboard-(?:plugin-)?/i, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, maxIdLength)
    .replace(/-+$/, '');
  return isId(words) ? words : undefined;
}

function freeId(id: string | undefined, taken: ReadonlyMap<string, string>): string | undefined {
  return id === undefined || taken.has(id) || !isId(id) ? undefined : id;
}

function suggest(id: string | undefined): string {
  return id === undefined ? '' : `; try: \`plugboard create ${id}\``;
}
