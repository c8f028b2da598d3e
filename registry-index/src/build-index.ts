// Puts the index together: entries, versions, order. Same input, same text.
import type { Entries } from './entry-files.ts';
import { indexDocumentSchema, indexVersion } from './index-document.ts';
import type { IndexDocument, IndexedPlugin, IndexedServer, PluginVersion } from './index-document.ts';
import type { PluginEntry } from './plugin-entry.ts';
import { localVersions, publishedVersions } from './plugin-versions.ts';
import type { ServerEntry } from './server-entry.ts';
import { compareText } from './tool-summary.ts';
import { newestFirst } from './versions.ts';

/** Where versions come from. */
export interface IndexSources {
  /** A registry that is asked for published versions. */
  readonly registry?: string | undefined;
  /** Folders of packages by plugin id; they stand for versions that the registry does not have yet. */
  readonly folders?: ReadonlyMap<string, string> | undefined;
}

/** Builds the index. Rejects when a plugin does not start. */
export async function buildIndex(
  entries: Entries,
  { registry, folders = new Map() }: IndexSources,
): Promise<IndexDocument> {
  const folderOf = (id: string) => folders.get(id);
  const local = await localVersions(entries.plugins, folderOf);
  const plugins: IndexedPlugin[] = [];
  for (const entry of entries.plugins) {
    const published =
      registry === undefined ? [] : await publishedVersions(entry, { registry, entries: entries.plugins, folderOf });
    plugins.push(indexedPlugin(entry, merge(published, local.get(entry.id))));
  }
  return indexDocumentSchema.parse({
    $schema: './schema/index.schema.json',
    indexVersion,
    plugins: plugins.sort((a, b) => compareText(a.id, b.id)),
    servers: entries.servers.map(indexedServer).sort((a, b) => compareText(a.id, b.id)),
  });
}

/** A published version is what people get; the workspace only stands in for one that is not there. */
function merge(published: readonly PluginVersion[], local: PluginVersion | undefined): PluginVersion[] {
  const missing = local !== undefined && !published.some((each) => each.version === local.version);
  return [...published, ...(missing ? [local] : [])].sort((a, b) => newestFirst(a.version, b.version));
}

function indexedPlugin(entry: PluginEntry, versions: PluginVersion[]): IndexedPlugin {
  const { $schema: _, example: __, tools, ...shown } = entry;
  return { ...shown, ...(versions.length > 0 || tools === undefined ? {} : { tools }), versions };
}

function indexedServer(entry: ServerEntry): IndexedServer {
  const { $schema: _, ...shown } = entry;
  return shown;
}

/** The text of an index: two spaces, a line break at the end. */
export function indexText(document: IndexDocument): string {
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
