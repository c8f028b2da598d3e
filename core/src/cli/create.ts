// `plugboard create`: the folder of a new plugin, ready to be tested and published. What is in it: `../create/plugin-template.ts`.
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { checkPackageName, checkPluginId, titleOf } from '../create/plugin-name.ts';
import { fillTemplate, pluginKinds } from '../create/plugin-template.ts';
import type { PluginKind } from '../create/plugin-template.ts';
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { readIndexes } from '../registry/indexes.ts';
import { confirm } from './confirm.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';

export interface CreateOptions {
  /** One of {@link pluginKinds}; default: `server`. */
  readonly kind?: string;
  /** Default: a folder of the id's name, here. */
  readonly directory?: string;
  /** Name of the npm package; default: `plugboard-plugin-<id>`. */
  readonly package?: string;
  /** Do not ask. */
  readonly yes?: boolean;
}

/** Makes the folder, whole or not at all. Throws USAGE. */
export async function create(id: string, options: CreateOptions, output: Console): Promise<number> {
  const kind = kindOf(options.kind ?? 'server');
  checkPluginId(id, await takenIds(output));
  const name = options.package ?? `plugboard-plugin-${id}`;
  checkPackageName(name);
  const folder = path.resolve(options.directory ?? id);
  await checkFree(folder);
  const question = `Make the ${kind} plugin "${id}" (package ${name}) in ${folder}?`;
  if (options.yes !== true && !(await confirm(question, output)))
    throw new PlugboardError('USAGE', 'nothing was written');
  const files = await fillTemplate(kind, { id, package: name, title: titleOf(id) });
  await writeFolder(folder, files);
  const place = path.relative(process.cwd(), folder);
  const next = [...(place === '' ? [] : [`cd ${quoted(place)}`]), 'npm install', 'npm test'];
  if (output.json) output.printJson({ id, package: name, kind, folder, files: Object.keys(files).sort(), next });
  else {
    output.print(`${output.paint('green', '✔')} ${folder}: ${kind} plugin "${id}", package ${name}`);
    output.print('next:');
    for (const command of next) output.print(`  ${command}`);
    output.print('then change src/index.ts; how to publish it: docs/first-plugin.md');
  }
  return exitCodes.ok;
}

function kindOf(text: string): PluginKind {
  const kind = pluginKinds.find((each) => each === text);
  if (kind !== undefined) return kind;
  const [nearest] = closest(text, pluginKinds);
  const meant = nearest === undefined ? '' : ` (nearest: ${nearest})`;
  throw new PlugboardError('USAGE', `--kind: there is no kind "${text}"${meant}; there are: ${pluginKinds.join(', ')}`);
}

/** Packages by the ids that the index has which came with this version. */
async function takenIds(output: Console): Promise<Map<string, string>> {
  try {
    const { plugins, servers } = await readIndexes({ urls: [] });
    return new Map([
      ...servers.map((each): [string, string] => [each.id, `the server "${each.title}" of the catalogue`]),
      ...plugins.map((each): [string, string] => [each.id, `the package ${each.package}`]),
    ]);
  } catch (error) {
    output.note(`warning: whether the id is free was not checked: ${(error as Error).message}`);
    return new Map();
  }
}

async function checkFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    if (error.code === 'ENOTDIR')
      throw new PlugboardError('USAGE', `${folder} is a file: name a folder with --directory`);
    throw error;
  });
  if (names.length === 0) return;
  const some = names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
  throw new PlugboardError('USAGE', `${folder} is not empty (${some}): name another folder with --directory`);
}

/** Writes everything beside the folder and moves it in when all is there. */
async function writeFolder(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  const temporary = `${folder}.${randomBytes(6).toString('hex')}`;
  try {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(temporary, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, text, { flag: 'wx' });
    }
    // An empty folder may be somebody's working directory: it is filled, not replaced.
    await mkdir(folder, { recursive: true });
    for (const name of await readdir(temporary)) await rename(path.join(temporary, name), path.join(folder, name));
    await rmdir(temporary);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

function quoted(text: string): string {
  return /^[\w./@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
