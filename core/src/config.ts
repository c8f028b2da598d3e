// The configuration: found, read, resolved, checked, and brought into the shape that the host works with. Watching it: `config-watch.ts`.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describeIssues, formatProblems } from './config-problems.ts';
import type { Problem } from './config-problems.ts';
import { configSchema } from './config-schema.ts';
import type { ConfigValues } from './config-schema.ts';
import { ConfigSource, labelOf, parseSource, readSource } from './config-source.ts';
import type { Place } from './config-source.ts';
import { PlugboardError } from './errors.ts';
import type { Rules } from './grant.ts';
import { isObject } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';
import { ReferenceResolver } from './references.ts';
import type * as z from './z.ts';

/** File names that are looked for in the working directory, the first that exists is taken. */
export const configFileNames = ['plugboard.yaml', 'plugboard.yml', 'plugboard.json'] as const;

/** A plugin to load: key and options as written, references resolved. */
export interface PluginEntry {
  /** An id (`http`), a scoped package (`@acme/plugboard-deny`) or a path. */
  readonly key: string;
  readonly options: JsonObject;
  /** Options that stand elsewhere in the file: `servers` of `upstream` is written as `mcpServers`. */
  readonly writtenAt?: Readonly<Record<string, Place>>;
}

/** A named caller. */
export interface GrantEntry {
  readonly name: string;
  /** Secret. */
  readonly token: string;
  readonly tools: Rules;
  readonly resources: Rules | undefined;
  readonly prompts: Rules | undefined;
}

/** Rules of callers without a credential. `allow` undefined: everything, unless something authenticates callers. */
export interface DefaultRules {
  readonly allow: readonly string[] | undefined;
  readonly deny: readonly string[];
}

export type Limits = ConfigValues['limits'];
export type LogSettings = ConfigValues['log'];

/** A checked configuration with all its defaults. */
export interface Config {
  readonly name: string;
  /** Absolute path; undefined when the configuration was given as a value. */
  readonly file: string | undefined;
  /** The folder that relative paths start from. */
  readonly directory: string;
  /** In the order in which they are applied. */
  readonly plugins: readonly PluginEntry[];
  /** Plugins that run in a worker, by their keys. */
  readonly pluginIsolation: ConfigValues['pluginIsolation'];
  readonly tools: DefaultRules;
  readonly resources: Rules | undefined;
  readonly prompts: Rules | undefined;
  readonly grants: readonly GrantEntry[];
  /** Whose tools must have been approved; see `approvals.ts`. */
  readonly approval: ConfigValues['approval'];
  /** Where plugins are found, and what may be installed. */
  readonly registry: ConfigValues['registry'];
  readonly limits: Limits;
  readonly log: LogSettings;
  /** The file's value as written, references unresolved. */
  readonly written: unknown;
  /** Values to mask wherever text leaves the process: what references gave, and values of keys such as `token`. */
  readonly secrets: ReadonlySet<string>;
  /** ms since the epoch at which reading it began. */
  readonly loadedAt: number;
  /** Files that references name (absolute); a change of one is a change of the configuration. */
  readonly referencedFiles: readonly string[];
  /** With `tolerant`: placeholders that stand for references which could not be resolved → what was wrong, with its place. */
  readonly unresolved: ReadonlyMap<string, string>;
  /** What is legal and probably not meant, each with its place. */
  readonly warnings: readonly string[];
  /** `plugboard.yaml:12:3` for a place. */
  locate(place: Place): string;
}

/** What the command line says over the file. */
export interface ConfigOverrides {
  /** Port of the plugin `http`, which is added when it is not there. */
  readonly port?: number | undefined;
  /** Adds the plugin `stdio` and leaves `http` out, unless `port` is given too. */
  readonly stdio?: boolean | undefined;
  /** A reference that cannot be resolved is no error but goes to `unresolved`: a client of the proxy needs no secrets of its servers. */
  readonly tolerant?: boolean | undefined;
  /** Default: those of the process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/**
 * Loads the configuration from a file, or from the one found in the working directory.
 * All problems of a file are reported together. Throws CONFIG_NOT_FOUND, CONFIG_UNREADABLE, CONFIG_INVALID, CONFIG_REFERENCE.
 */
export async function loadConfig(file: string | undefined, overrides: ConfigOverrides = {}): Promise<Config> {
  const found = file === undefined ? findConfigFile(process.cwd()) : path.resolve(file);
  if (found === undefined)
    throw new PlugboardError('CONFIG_NOT_FOUND', `none of ${configFileNames.join(', ')} is in ${process.cwd()}`);
  const loadedAt = Date.now();
  return { ...(await build(await readSource(found), found, path.dirname(found), overrides)), loadedAt };
}

/** Makes a configuration of a text that shall stand in a file. Throws as {@link loadConfig} does. */
export async function configFromText(text: string, file: string, overrides: ConfigOverrides = {}): Promise<Config> {
  return await build(parseSource(text, labelOf(file)), file, path.dirname(file), overrides);
}

/** Makes a configuration of a value, for programs that embed the proxy. Throws as {@link loadConfig} does. */
export async function configFrom(value: unknown, directory: string, overrides: ConfigOverrides = {}): Promise<Config> {
  return await build(new ConfigSource('configuration', value), undefined, path.resolve(directory), overrides);
}

/** Absolute path of the configuration file in a folder, or undefined. */
export function findConfigFile(directory: string): string | undefined {
  return configFileNames.map((name) => path.join(directory, name)).find((file) => existsSync(file));
}

/** Checks a plugin's options by its schema. Throws PLUGIN_OPTIONS with every problem and its line. */
export function checkOptions<Schema extends z.ZodType>(
  config: Config,
  entry: PluginEntry,
  schema: Schema,
): z.output<Schema> {
  const checked = schema.safeParse(entry.options);
  if (checked.success) return checked.data;
  throw optionsError(config, entry, describeIssues(schema, checked.error, []));
}

/** The error for what is wrong with a plugin's options; places begin in the options. */
export function optionsError(config: Config, entry: PluginEntry, found: readonly Problem[]): PlugboardError {
  const problems = found.map((problem) => ({
    ...problem,
    place: placeOfOption(entry, problem.place),
    ...(problem.key === undefined ? {} : { key: placeOfOption(entry, problem.key) }),
  }));
  return new PlugboardError(
    'PLUGIN_OPTIONS',
    formatProblems(problems, (place) => config.locate(place)),
  );
}

function placeOfOption(entry: PluginEntry, [option, ...rest]: Place): Place {
  if (option === undefined) return ['plugins', entry.key];
  const written = entry.writtenAt?.[option];
  return written === undefined ? ['plugins', entry.key, option, ...rest] : [...written, ...rest];
}

async function build(
  source: ConfigSource,
  file: string | undefined,
  directory: string,
  overrides: ConfigOverrides,
): Promise<Config> {
  const resolver = new ReferenceResolver({ env: overrides.env ?? process.env, directory });
  const checked = configSchema.safeParse(await resolveSections(source.value ?? {}, resolver));
  const failed = new Set(resolver.problems.map(({ place }) => JSON.stringify(place)));
  const problems: Problem[] = [
    ...(checked.success ? checkMeaning(checked.data) : describeIssues(configSchema, checked.error, [])),
  ].filter(({ place }) => !failed.has(JSON.stringify(place)));
  const format = (all: readonly Problem[]) => formatProblems(all, (place) => source.locate(place), source);
  if (problems.length > 0) throw new PlugboardError('CONFIG_INVALID', format([...problems, ...resolver.problems]));
  if (!checked.success || (failed.size > 0 && overrides.tolerant !== true))
    throw new PlugboardError('CONFIG_REFERENCE', format(resolver.problems));

  const values = checked.data;
  return {
    name: values.name,
    file,
    directory,
    plugins: applyOverrides(pluginsOf(values), overrides),
    pluginIsolation: values.pluginIsolation,
    tools: { allow: values.tools.allow, deny: values.tools.deny },
    resources: values.resources,
    prompts: values.prompts,
    grants: Object.entries(values.grants).map(([name, { token, tools, resources, prompts }]) => ({
      name,
      token,
      tools,
      resources,
      prompts,
    })),
    approval: values.approval,
    registry: values.registry,
    limits: values.limits,
    log: values.log,
    written: source.value,
    secrets: resolver.secrets,
    loadedAt: Date.now(),
    referencedFiles: [...resolver.files],
    unresolved: new Map([...resolver.placeholders].map(([placeholder, problem]) => [placeholder, format([problem])])),
    warnings: findWarnings(values, resolver).map((problem) => format([problem])),
    locate: (place) => source.locate(place),
  };
}

/** References are read where secrets and paths stand; elsewhere `${` is just text. */
async function resolveSections(value: unknown, resolver: ReferenceResolver): Promise<unknown> {
  if (!isObject(value)) return value;
  const resolved: JsonObject = { ...value };
  for (const section of ['plugins', 'mcpServers', 'grants']) {
    if (section in resolved) resolved[section] = await resolver.resolve(resolved[section], [section]);
  }
  return resolved;
}

/** What the schema cannot see: relations between keys. */
function checkMeaning(values: ConfigValues): Problem[] {
  const problems: Problem[] = [];
  if (
    values.mcpServers !== undefined &&
    isObject(values.plugins?.['upstream']) &&
    'servers' in values.plugins['upstream']
  ) {
    problems.push({
      place: ['plugins', 'upstream', 'servers'],
      message: 'stands beside `mcpServers`: keep one of the two',
    });
  }
  if (values.limits.maxCallTimeout < values.limits.callTimeout) {
    problems.push({
      place: ['limits', 'maxCallTimeout'],
      message: `must be at least callTimeout (${values.limits.callTimeout})`,
    });
  }
  const keys = [...Object.keys(values.plugins ?? { http: {} }), ...(hasServers(values) ? ['upstream'] : [])];
  for (const key of Object.keys(values.pluginIsolation)) {
    if (!keys.includes(key))
      problems.push({
        place: ['pluginIsolation', key],
        message: `is no key of \`plugins\` (there are: ${keys.join(', ')})`,
      });
  }
  const owners = new Map<string, string>();
  for (const [name, { token }] of Object.entries(values.grants)) {
    const owner = owners.get(token);
    if (owner !== undefined)
      problems.push({ place: ['grants', name, 'token'], message: `is also the token of grant "${owner}"` });
    owners.set(token, name);
  }
  return problems;
}

function findWarnings(values: ConfigValues, resolver: ReferenceResolver): Problem[] {
  const warnings: Problem[] = [];
  for (const name of Object.keys(values.grants)) {
    const place = ['grants', name, 'token'];
    if (!resolver.referenced.has(JSON.stringify(place)))
      warnings.push({ place, message: 'is written into the file: better ${env:NAME} or ${file:PATH}' });
  }
  if (values.plugins?.['upstream'] === false && hasServers(values)) {
    warnings.push({ place: ['mcpServers'], message: 'is not served, because plugins.upstream is false' });
  }
  return warnings;
}

function hasServers(values: ConfigValues): boolean {
  return Object.keys(values.mcpServers ?? {}).length > 0;
}

function pluginsOf(values: ConfigValues): PluginEntry[] {
  const written = Object.entries(values.plugins ?? { http: {} });
  const plugins: PluginEntry[] = written.flatMap(([key, options]) =>
    options === false ? [] : [{ key, options: { ...options } }],
  );
  if (!hasServers(values) || values.plugins?.['upstream'] === false) return plugins;
  const upstream = plugins.find((entry) => isEntryOf(entry, 'upstream'));
  const withServers: PluginEntry = {
    key: upstream?.key ?? 'upstream',
    options: { ...upstream?.options, servers: values.mcpServers },
    writtenAt: { servers: ['mcpServers'] },
  };
  return upstream === undefined
    ? [...plugins, withServers]
    : plugins.map((entry) => (entry === upstream ? withServers : entry));
}

function applyOverrides(plugins: PluginEntry[], { port, stdio }: ConfigOverrides): PluginEntry[] {
  let result = plugins;
  if (stdio === true) {
    if (port === undefined) result = result.filter((entry) => !isEntryOf(entry, 'http'));
    if (!result.some((entry) => isEntryOf(entry, 'stdio'))) result = [...result, { key: 'stdio', options: {} }];
  }
  if (port === undefined) return result;
  if (!result.some((entry) => isEntryOf(entry, 'http'))) return [{ key: 'http', options: { port } }, ...result];
  return result.map((entry) => (isEntryOf(entry, 'http') ? { ...entry, options: { ...entry.options, port } } : entry));
}

/** True for the entry of one of Plugboard's own plugins, however its key is written. */
export function isEntryOf(entry: PluginEntry, id: string): boolean {
  return entry.key === id || entry.key === `@plugboard/${id}`;
}
