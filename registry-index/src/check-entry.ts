// What a pull request must satisfy: the entry by itself, and for a plugin the package that it names. Reads nothing; `check.ts` does.
import { checkOptionsTable } from './options-table.ts';
import { pluginEntrySchema } from './plugin-entry.ts';
import { exactVersion, serverEntrySchema } from './server-entry.ts';

/** What an entry stands beside. */
export interface Surroundings {
  /** `plugin` for `plugins/`, `server` for `servers/`. */
  readonly kind: 'plugin' | 'server';
  /** Name of its file without `.json`. */
  readonly file: string;
  /** The ids of all other entries, of both kinds. */
  readonly others: readonly string[];
}

/** Checks one entry. Returns one sentence for each problem, beginning with the file. */
export function checkEntry(value: unknown, { kind, file, others }: Surroundings): string[] {
  const place = `${kind}s/${file}.json`;
  const checked = (kind === 'plugin' ? pluginEntrySchema : serverEntrySchema).safeParse(value);
  if (!checked.success)
    return checked.error.issues.map(({ path, message }) => `${place}: ${path.join('.') || 'entry'}: ${message}`);
  const entry = checked.data;
  const problems: string[] = [];
  if (entry.id !== file) problems.push(`id: is "${entry.id}" and must be "${file}", the name of the file`);
  if (others.includes(entry.id)) problems.push(`id: "${entry.id}" is taken by another entry`);
  if (entry.replacedBy !== undefined && !others.includes(entry.replacedBy))
    problems.push(`replacedBy: there is no entry "${entry.replacedBy}"`);
  return problems.map((problem) => `${place}: ${problem}`);
}

/** What is found in the package of a plugin. */
export interface PackageFacts {
  /** Its package.json. */
  readonly manifest: Readonly<Record<string, unknown>>;
  readonly readme: string | undefined;
  /** What `definePlugin` was given. */
  readonly defined: { readonly id: string; readonly apiVersion: number; readonly options: readonly string[] };
}

/** Checks that a package is the one that an entry means, and links back to it. Returns one sentence for each problem. */
export function checkPackage(entry: { readonly id: string; readonly package: string }, facts: PackageFacts): string[] {
  const { manifest, readme, defined } = facts;
  const problems = [...checkManifest(entry, manifest), ...checkDefinition(entry, manifest, defined)];
  if (readme === undefined) problems.push('README.md is missing; describe what the plugin does and its options');
  else problems.push(...checkOptionsTable(readme, defined.options));
  return problems.map((problem) => `${entry.package}: ${problem}`);
}

function* checkManifest(entry: { id: string; package: string }, manifest: PackageFacts['manifest']): Iterable<string> {
  const { name, version, keywords } = manifest;
  if (name !== entry.package)
    yield `package.json: name is ${JSON.stringify(name)} and the entry says "${entry.package}"`;
  if (typeof version !== 'string' || !exactVersion.test(version))
    yield `package.json: version is ${JSON.stringify(version)}; it must be one exact version such as 1.2.3`;
  if (!Array.isArray(keywords) || !keywords.includes('plugboard-plugin'))
    yield 'package.json: keywords must include "plugboard-plugin": the package says itself that it is one';
  const peers = (manifest['peerDependencies'] ?? {}) as Record<string, unknown>;
  if (typeof peers['plugboard'] !== 'string')
    yield 'package.json: peerDependencies.plugboard is missing: say which versions of the core it works with';
}

function* checkDefinition(
  entry: { id: string },
  manifest: PackageFacts['manifest'],
  defined: PackageFacts['defined'],
): Iterable<string> {
  const key = manifest['plugboard'];
  const own = typeof key === 'object' && key !== null ? (key as { id?: unknown; apiVersion?: unknown }) : undefined;
  if (own === undefined) {
    yield 'package.json: the key "plugboard" is missing; write { "id": …, "apiVersion": … } as in definePlugin';
    return;
  }
  if (own.id !== entry.id)
    yield `package.json: plugboard.id is ${JSON.stringify(own.id)} and the entry says "${entry.id}"`;
  if (own.id !== defined.id)
    yield `package.json: plugboard.id is ${JSON.stringify(own.id)} and definePlugin says "${defined.id}"`;
  if (own.apiVersion !== defined.apiVersion)
    yield `package.json: plugboard.apiVersion is ${JSON.stringify(own.apiVersion)} and definePlugin says ${defined.apiVersion}`;
}
