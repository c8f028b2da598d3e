// The program that CI runs on a pull request: `node registry-index/dist/src/check.js`. Checks all entries, and the packages of those
// plugins that are in this repository; `--package FOLDER` checks one that is somewhere else.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { askPlugin } from './ask-plugin.ts';
import type { PluginAnswer } from './ask-plugin.ts';
import { workspaceFolders } from './build.ts';
import { checkPackage } from './check-entry.ts';
import { checkEntryFiles, readEntryFiles } from './entry-files.ts';
import type { EntryFile } from './entry-files.ts';
import { pluginEntrySchema } from './plugin-entry.ts';
import type { PluginEntry } from './plugin-entry.ts';
import { askEntry } from './plugin-versions.ts';
import { runAsProgram, UsageError } from './program.ts';
import { renderSchemas, schemaProblems } from './schema-files.ts';

const usage = `node registry-index/dist/src/check.js [--package FOLDER]…
  --package FOLDER  also checks the package of a plugin that is there; it may be named several times`;

/** Checks the package of an entry. Returns one sentence for each problem. */
export async function checkPackageFolder(
  entry: PluginEntry,
  folder: string,
  folders: ReadonlyMap<string, string>,
): Promise<string[]> {
  try {
    const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    const readme = await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => undefined);
    // Only what is recorded is worth the time that a start takes.
    const defined =
      entry.tools === undefined ? await askPlugin({ folder }) : await askEntry(entry, folder, (id) => folders.get(id));
    return [...checkPackage(entry, { manifest, readme, defined }), ...checkRecorded(entry, defined.tools)];
  } catch (error) {
    return [`${entry.package}: ${(error as Error).message}`];
  }
}

function checkRecorded({ id, tools }: PluginEntry, listed: PluginAnswer['tools']): string[] {
  if (tools === undefined || isDeepStrictEqual(tools, listed)) return [];
  return [
    `plugins/${id}.json: tools: differ from what it lists; write them: node registry-index/dist/src/record.js ${id}`,
  ];
}

async function checkPackages(files: readonly EntryFile[], elsewhere: readonly string[]): Promise<string[]> {
  const folders = await workspaceFolders();
  for (const folder of elsewhere) {
    const text = await readFile(path.join(folder, 'package.json'), 'utf8').catch((error: Error) => {
      throw new UsageError(`--package ${folder}: ${error.message}`);
    });
    const manifest = JSON.parse(text) as { plugboard?: { id?: string } };
    folders.set(manifest.plugboard?.id ?? path.basename(folder), path.resolve(folder));
  }
  const problems: string[] = [];
  for (const { value, kind } of files) {
    const entry = kind === 'plugin' ? pluginEntrySchema.safeParse(value) : undefined;
    const folder = entry?.success === true ? folders.get(entry.data.id) : undefined;
    if (entry?.success === true && folder !== undefined)
      problems.push(...(await checkPackageFolder(entry.data, folder, folders)));
  }
  return problems;
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { package: { type: 'string', multiple: true, default: [] } } });
  const files = await readEntryFiles();
  const problems = [
    ...checkEntryFiles(files),
    ...(await checkPackages(files, values.package)),
    ...(await schemaProblems(renderSchemas())),
  ];
  for (const problem of problems) console.error(problem);
  const servers = files.filter(({ kind }) => kind === 'server').length;
  console.log(`${files.length - servers} plugins, ${servers} servers, ${problems.length} problems`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

await runAsProgram(import.meta.filename, usage, main);
