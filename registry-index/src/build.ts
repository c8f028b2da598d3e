// The program that builds the index and the page: `node registry-index/dist/src/build.js --local`, `--registry URL`, or both.
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildIndex, indexText } from './build-index.ts';
import { packageFolder, readEntries } from './entry-files.ts';
import { renderPage } from './page.ts';
import { runAsProgram, UsageError } from './program.ts';

const usage = `node registry-index/dist/src/build.js [--entries] [--local] [--registry URL] [--only ID,ID] [--out FOLDER]
  --entries       the entries alone, without versions of plugins: takes no time
  --local         versions of the plugins in this repository stand for those that are not published yet
  --registry URL  asks this npm registry for published versions
  --only ID,ID    builds with these plugins only, for trying out
  --out FOLDER    default: registry-index/dist. Writes index.json and site/index.html there`;

/** Folders of the plugins of this repository, by id. */
export async function workspaceFolders(): Promise<Map<string, string>> {
  const parent = path.join(path.dirname(packageFolder()), 'plugins');
  const names = await readdir(parent).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => ({ folder: path.join(parent, name), id: await idOf(path.join(parent, name)) })),
  );
  return new Map(found.flatMap(({ folder, id }) => (id === undefined ? [] : [[id, folder]])));
}

async function idOf(folder: string): Promise<string | undefined> {
  const text = await readFile(path.join(folder, 'package.json'), 'utf8').catch(() => '{}');
  return (JSON.parse(text) as { plugboard?: { id?: string } }).plugboard?.id;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      entries: { type: 'boolean', default: false },
      local: { type: 'boolean', default: false },
      registry: { type: 'string' },
      only: { type: 'string' },
      out: { type: 'string', default: path.join(packageFolder(), 'dist') },
    },
  });
  if (!values.entries && !values.local && values.registry === undefined)
    throw new UsageError('give --entries, --local, --registry URL, or several');
  const entries = await readEntries();
  const only = values.only?.split(',');
  const chosen = { ...entries, plugins: entries.plugins.filter(({ id }) => only === undefined || only.includes(id)) };
  const folders = values.local ? await workspaceFolders() : undefined;
  const document = await buildIndex(chosen, { registry: values.registry, folders });
  const site = path.join(values.out, 'site');
  await mkdir(site, { recursive: true });
  await writeFile(path.join(values.out, 'index.json'), indexText(document));
  await copyFile(path.join(values.out, 'index.json'), path.join(site, 'index.json'));
  await writeFile(path.join(site, 'index.html'), renderPage(document));
  const versions = document.plugins.reduce((sum, plugin) => sum + plugin.versions.length, 0);
  console.log(
    `${path.join(values.out, 'index.json')}: ${document.plugins.length} plugins (${versions} versions), ${document.servers.length} servers`,
  );
}

await runAsProgram(import.meta.filename, usage, main);
