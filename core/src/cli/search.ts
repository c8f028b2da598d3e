// `plugboard search`: what the indexes have. One entry: `info.ts`. Reading indexes: `../registry/`.
import { loadConfig, findConfigFile } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
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

/** Kind of an entry that is no plugin. */
export const serverKind = 'mcp server';
const kinds = ['server', 'transport', 'policy', 'store', 'management', 'integration', serverKind];

/** Lists entries that have all the words, in id, title, description, package, categories or names of tools. Throws USAGE for an unknown kind. */
export async function search(words: readonly string[], options: SearchOptions, output: Console): Promise<number> {
  checkKind(options.kind);
  const indexes = await readFor(options, output);
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
    output.note(
      rows.length === 0
        ? 'nothing has all of this: fewer words find more, and none find everything'
        : `${rows.length} found; more on one: \`plugboard info ID\`; take it: \`plugboard add ID\``,
    );
  }
  return exitCodes.ok;
}

function checkKind(kind: string | undefined): void {
  if (kind === undefined || kinds.includes(kind)) return;
  const [nearest] = closest(kind, kinds);
  const meant = nearest === undefined ? '' : ` (nearest: ${nearest})`;
  throw new PlugboardError('USAGE', `--kind: there is no kind "${kind}"${meant}; there are: ${kinds.join(', ')}`);
}

/** The indexes of the configuration that is there, if one is. */
export async function readFor(options: SearchOptions, output: Console): Promise<Indexes> {
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
      kind: serverKind,
      version: each.version ?? '',
      words: [...each.categories, ...(each.tools ?? []).map(({ name }) => name)],
    })),
  ];
  return both.map(({ entry: { id, title, description, status }, kind, version, words }) => ({
    text: [id, title, description, kind, ...words].join(' ').toLowerCase(),
    found: { id, kind, version, status, description },
  }));
}

/** The first line of a text, cut where a table ends. */
export function short(text: string): string {
  const line = text.trim().split('\n')[0] ?? '';
  return line.length > 90 ? `${line.slice(0, 89)}…` : line;
}
