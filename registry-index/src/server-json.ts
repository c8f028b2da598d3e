// To and from `server.json`, the document of the official MCP registry (schema 2025-12-11). What has no place there goes into its
// `_meta`, under the key that the registry reserves for publishers.
import { idSchema } from './entry-parts.ts';
import { serverEntrySchema, versionText } from './server-entry.ts';
import type { RemoteStart, ServerEntry, Start, StdioStart } from './server-entry.ts';
import {
  isRecord,
  listOf,
  readArgument,
  readNamedInput,
  readVariables,
  secretNames,
  writeArgument,
  writeNamedInput,
  writeVariables,
  textOf,
} from './server-json-input.ts';
import type { JsonRecord } from './server-json-input.ts';

export const serverJsonSchema = 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json';

const publisher = 'io.modelcontextprotocol.registry/publisher-provided';
const ownKey = 'plugboard';

/** Versions are required there; a hosted server has none that anybody could install. */
const noVersion = '0.0.0';

/** What was read of a `server.json`. */
export interface ReadServerJson {
  readonly entry: ServerEntry;
  /** For people: what could not be taken over, e.g. a kind of package that no runner is known for. */
  readonly leftOut: readonly string[];
}

/** A document that holds no server. */
export class ServerJsonError extends Error {
  override readonly name = 'ServerJsonError';
}

const registryTypes = { npx: 'npm', uvx: 'pypi', docker: 'oci' } as const;

/** Writes an entry as a `server.json` document. */
export function toServerJson(entry: ServerEntry): JsonRecord {
  const packages = entry.start.filter((each) => each.type === 'stdio' && each.runner !== 'binary') as StdioStart[];
  const remotes = entry.start.filter((each) => each.type !== 'stdio');
  return {
    $schema: serverJsonSchema,
    name: entry.name ?? derivedName(entry),
    title: entry.title,
    description: entry.description,
    ...(entry.repository === undefined
      ? {}
      : { repository: { url: entry.repository, source: sourceOf(entry.repository) } }),
    version: entry.version ?? derivedVersion(packages),
    ...(entry.homepage === undefined ? {} : { websiteUrl: entry.homepage }),
    ...(packages.length === 0 ? {} : { packages: packages.map(writePackage) }),
    ...(remotes.length === 0 ? {} : { remotes: remotes.map(writeRemote) }),
    _meta: { [publisher]: { [ownKey]: writeMeta(entry) } },
  };
}

/**
 * Reads a `server.json` document of anybody. What our own `_meta` does not say is guessed carefully: any host may be reached, files may be
 * written, tools are unknown. Throws {@link ServerJsonError} when there is nothing that can be started.
 */
export function fromServerJson(document: unknown): ReadServerJson {
  if (!isRecord(document)) throw new ServerJsonError('server.json: is no object');
  const leftOut: string[] = [];
  const name = textOf(document['name']) ?? '';
  const meta = readMeta(document);
  const packages = listOf(document['packages']).flatMap((each) => readPackage(each, leftOut));
  const remotes = listOf(document['remotes']).flatMap((each) => readRemote(each, leftOut));
  const start = inOrder(packages, remotes, meta);
  if (start.length === 0)
    throw new ServerJsonError(`${name || 'server.json'}: nothing in it can be started: ${leftOut.join('; ')}`);
  const facts = readFacts(document, meta['named'] === false ? '' : name, packages);
  const draft = { ...facts, id: idOf(name), ...readMetaFacts(meta, start), start };
  const checked = serverEntrySchema.safeParse(draft);
  if (checked.success) return { entry: checked.data, leftOut };
  const [issue] = checked.error.issues;
  throw new ServerJsonError(
    `${name || 'server.json'}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'does not fit'}`,
  );
}

function derivedName(entry: Pick<ServerEntry, 'id' | 'repository'>): string {
  const owner = /^https:\/\/github\.com\/([^/]+)\//.exec(entry.repository ?? '')?.[1] ?? 'plugboard';
  return `io.github.${owner}/${entry.id}`;
}

function derivedVersion(packages: readonly StdioStart[]): string {
  return packages[0]?.version ?? noVersion;
}

function sourceOf(repository: string): string {
  return repository.startsWith('https://gitlab.com/') ? 'gitlab' : 'github';
}

function writePackage(start: StdioStart): JsonRecord {
  const runner = start.runner as keyof typeof registryTypes;
  const oci = runner === 'docker';
  const identifier = oci && start.version !== undefined ? `${start.package}:${start.version}` : start.package;
  return {
    registryType: registryTypes[runner],
    identifier,
    ...(oci || start.version === undefined ? {} : { version: start.version }),
    runtimeHint: runner,
    transport: { type: 'stdio' },
    ...(start.runtimeArgs === undefined ? {} : { runtimeArguments: start.runtimeArgs.map(writeArgument) }),
    ...(start.args.length === 0 ? {} : { packageArguments: start.args.map(writeArgument) }),
    ...(start.env.length === 0 ? {} : { environmentVariables: start.env.map(writeNamedInput) }),
  };
}

function writeRemote(start: RemoteStart): JsonRecord {
  return {
    type: start.type === 'http' ? 'streamable-http' : 'sse',
    url: start.url,
    ...(start.variables === undefined ? {} : { variables: writeVariables(start.variables) }),
    ...(start.headers.length === 0 ? {} : { headers: start.headers.map(writeNamedInput) }),
  };
}

/** Members of an entry that `server.json` has no place for. */
const metaKeys = [
  'id',
  'status',
  'replacedBy',
  'categories',
  'permissions',
  'tools',
  'toolsFrom',
  'toolsUnknown',
] as const;

function writeMeta(entry: ServerEntry): JsonRecord {
  const kept = metaKeys.flatMap((key) => (entry[key] === undefined ? [] : [[key, entry[key]]]));
  const order = entry.start.map((each) => {
    if (each.type !== 'stdio') return { auth: each.auth };
    if (each.runner === 'binary') return { binary: each };
    return each.executable === undefined ? {} : { executable: each.executable };
  });
  const places = entry.start.map((each, index) => ({
    from: each.type === 'stdio' ? 'package' : 'remote',
    ...order[index],
  }));
  return { ...Object.fromEntries(kept), named: entry.name !== undefined, start: places };
}

function readMeta(document: JsonRecord): JsonRecord {
  const all = document['_meta'];
  const own = isRecord(all) && isRecord(all[publisher]) ? all[publisher][ownKey] : undefined;
  return isRecord(own) ? own : {};
}

/** Puts packages and remotes into the order that `_meta` says; without it, packages come first. */
function inOrder(packages: readonly StdioStart[], remotes: readonly RemoteStart[], meta: JsonRecord): Start[] {
  const places = listOf(meta['start']).filter(isRecord);
  const [leftPackages, leftRemotes] = [[...packages], [...remotes]];
  const ordered = places.flatMap((place): unknown[] => {
    if (isRecord(place['binary'])) return [place['binary']];
    const next = place['from'] === 'package' ? leftPackages.shift() : leftRemotes.shift();
    if (next === undefined) return [];
    if (next.type === 'stdio')
      return [place['executable'] === undefined ? next : { ...next, executable: place['executable'] }];
    return [{ ...next, auth: place['auth'] ?? next.auth }];
  });
  // What `_meta` brought is checked with the rest of the entry.
  return [...(ordered as Start[]), ...leftPackages, ...leftRemotes];
}

function readFacts(document: JsonRecord, name: string, packages: readonly StdioStart[]): JsonRecord {
  const repository = isRecord(document['repository']) ? textOf(document['repository']['url']) : undefined;
  const version = textOf(document['version']);
  const homepage = textOf(document['websiteUrl']);
  const derived = version === undefined || version === derivedVersion(packages);
  return {
    ...(name === '' ? {} : { name }),
    title: textOf(document['title']) ?? idOf(name),
    description: textOf(document['description']) ?? '',
    ...(derived ? {} : { version }),
    ...(repository === undefined ? {} : { repository: repository.replace(/\.git$/, '') }),
    ...(homepage === undefined ? {} : { homepage }),
  };
}

function readMetaFacts(meta: JsonRecord, start: readonly Start[]): JsonRecord {
  const guessed = {
    status: 'active',
    categories: ['example'],
    permissions: {
      network: ['*'],
      filesystem: start.some((each) => each.type === 'stdio') ? 'write' : 'none',
      secrets: secretNames(start),
    },
  };
  const known = Object.fromEntries(metaKeys.flatMap((key) => (meta[key] === undefined ? [] : [[key, meta[key]]])));
  const unknownTools = meta['tools'] === undefined ? { toolsUnknown: true } : {};
  return { ...guessed, ...unknownTools, ...known };
}

/** `io.github.microsoft/playwright-mcp` → `playwright-mcp`. */
function idOf(name: string): string {
  const last = name.slice(name.lastIndexOf('/') + 1).toLowerCase();
  const id = last
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 40)
    .replace(/-+$/, '');
  return idSchema.safeParse(id).success ? id : 'server';
}

function readPackage(given: unknown, leftOut: string[]): StdioStart[] {
  if (!isRecord(given)) return [];
  const identifier = textOf(given['identifier']) ?? '';
  const type = textOf(given['registryType']);
  const transport = isRecord(given['transport']) ? given['transport']['type'] : undefined;
  const runner = (Object.entries(registryTypes).find(([, each]) => each === type)?.[0] ?? undefined) as
    | StdioStart['runner']
    | undefined;
  if (runner === undefined || (transport !== undefined && transport !== 'stdio')) {
    leftOut.push(
      `package ${identifier}: ${runner === undefined ? `no runner for ${type}` : `transport ${String(transport)}`}`,
    );
    return [];
  }
  const runtime = listOf(given['runtimeArguments']).flatMap(readArgument);
  if (runner !== 'docker' && runtime.length > 0) leftOut.push(`package ${identifier}: arguments of its runtime`);
  return [
    {
      type: 'stdio',
      runner,
      ...readIdentifier(runner, identifier, textOf(given['version'])),
      ...(runner === 'docker' && runtime.length > 0 ? { runtimeArgs: runtime } : {}),
      args: listOf(given['packageArguments']).flatMap(readArgument),
      env: listOf(given['environmentVariables']).flatMap(readNamedInput),
    },
  ];
}

/** An image carries its version behind the last colon, unless that is the port of its host or part of a digest. */
function readIdentifier(runner: string, identifier: string, version: string | undefined) {
  const tagged = runner === 'docker' && !identifier.includes('@') ? /^(.+):([^/:]+)$/.exec(identifier) : undefined;
  const exact = tagged?.[2] ?? version;
  // A tag such as `latest`, or a placeholder that was never filled in, is no version.
  const usable = exact !== undefined && exact !== 'latest' && versionText.test(exact) ? { version: exact } : {};
  return { package: tagged?.[1] ?? identifier, ...usable };
}

function readRemote(given: unknown, leftOut: string[]): RemoteStart[] {
  if (!isRecord(given)) return [];
  const url = textOf(given['url']) ?? '';
  const type = given['type'] === 'streamable-http' ? 'http' : given['type'] === 'sse' ? 'sse' : undefined;
  if (type === undefined || !url.startsWith('https://')) {
    leftOut.push(`remote ${url}: ${type === undefined ? `transport ${String(given['type'])}` : 'is no https address'}`);
    return [];
  }
  const headers = listOf(given['headers']).flatMap(readNamedInput);
  const variables = readVariables(given['variables']);
  // Where it does not say, signing in is left possible: it happens only when the server asks for it.
  const auth = headers.some(
    (each) => each.required && secretNames([{ type, url, headers: [each], auth: 'token' }]).length > 0,
  )
    ? 'token'
    : 'oauth';
  return [{ type, url, ...(variables === undefined ? {} : { variables }), headers, auth }];
}
