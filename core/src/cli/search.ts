// `plugboard search` and `plugboard info`: what the indexes have. Reading them: `../registry/`.
import { loadConfig, findConfigFile } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { fits } from '../registry/choose.ts';
import { readIndexes } from '../registry/indexes.ts';
import type { Indexes } from '../registry/indexes.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';

export interface SearchOptions {
  readonly config?: string;
  readonly refresh?: boolean;
  readonly kind?: string;
}

/** One line of what was found. */
interface Found {
  readonly id: string;
  readonly kind: string;
  readonly version: string;
  readonly status: string;
  readonly description: string;
}

/** Lists entries that have all the words, in id, title, description, package, categories or names of tools. */
export async function search(words: readonly string[], options: SearchOptions, output: Console): Promise<number> {
  const indexes = await read(options, output);
  const wanted = words.map((word) => word.toLowerCase());
  const found = entriesOf(indexes)
    .filter(({ text }) => wanted.every((word) => text.includes(word)))
    .map(({ found: each }) => each)
    .filter(({ kind }) => options.kind === undefined || kind === options.kind);
  if (output.json) output.printJson({ found });
  else {
    const rows = found.map(({ id, kind, version, status, description }) => [
      id,
      kind,
      version,
      status === 'active' ? short(description) : output.paint('yellow', `${status}; ${short(description)}`),
    ]);
    if (rows.length > 0) output.print(await output.table(['id', 'kind', 'version', 'what it is'], rows));
    output.note(`${rows.length} found; more on one: plugboard info ID; take it: plugboard add ID`);
  }
  return exitCodes.ok;
}

/** Shows everything that is known of one entry. */
export async function info(id: string, options: SearchOptions, output: Console): Promise<number> {
  const indexes = await read(options, output);
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
  output.print(
    `${output.paint('bold', entry.title)}  ${plugin === undefined ? 'server' : plugin.kind} ${entry.id}, ${entry.status}`,
  );
  output.print(entry.description);
  output.print(
    `${plugin === undefined ? '' : `package ${plugin.package}; `}${entry.repository}; from the index ${entry.index}`,
  );
  const tools = plugin === undefined ? server?.tools : plugin.versions[0]?.tools;
  if (server !== undefined && plugin === undefined) output.print(`permissions: ${JSON.stringify(server.permissions)}`);
  if (plugin !== undefined) {
    const rows = plugin.versions.map((each) => [
      each.version,
      each.core ?? '',
      fits(each) ? 'yes' : 'no',
      each.signed ? 'yes' : 'no',
      Object.keys(each.capabilities).join(', '),
    ]);
    if (rows.length > 0)
      output.print(await output.table(['version', 'for Plugboard', 'fits', 'signed', 'needs'], rows));
  }
  if (tools !== undefined && tools.length > 0)
    output.print(
      await output.table(
        ['tool', 'what it does'],
        tools.map(({ name, description }) => [name, short(description ?? '')]),
      ),
    );
  return exitCodes.ok;
}

async function read(options: SearchOptions, output: Console): Promise<Indexes> {
  const file = options.config ?? findConfigFile(process.cwd());
  const urls = file === undefined ? [] : (await loadConfig(file, { tolerant: true })).registry.indexes;
  const indexes = await readIndexes({ urls, refresh: options.refresh === true });
  for (const warning of indexes.warnings) output.note(`warning: ${warning}`);
  return indexes;
}

function entriesOf({ plugins, servers }: Indexes): { readonly text: string; readonly found: Found }[] {
  const both = [
    ...plugins.map((each) => ({
      entry: each,
      kind: each.kind as string,
      version: each.versions[0]?.version ?? 'not published',
      words: [each.package, ...(each.versions[0]?.tools ?? []).map(({ name }) => name)],
    })),
    ...servers.map((each) => ({
      entry: each,
      kind: 'mcp server',
      version: each.version ?? '',
      words: [...each.categories, ...(each.tools ?? []).map(({ name }) => name)],
    })),
  ];
  return both.map(({ entry: { id, title, description, status }, kind, version, words }) => ({
    text: [id, title, description, kind, ...words].join(' ').toLowerCase(),
    found: { id, kind, version, status, description },
  }));
}

function short(text: string): string {
  const line = text.trim().split('\n')[0] ?? '';
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}
