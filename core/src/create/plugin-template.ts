// Templates of plugins: real packages below `templates/`, each of which compiles and passes its tests, with words that stand for names.
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { isObject } from '../protocol/messages.ts';
import { version } from '../version.ts';

/** What `plugboard create --kind` takes; each has a folder below `templates/`. */
export const pluginKinds = ['server', 'policy', 'transport', 'store'] as const;
export type PluginKind = (typeof pluginKinds)[number];

/** What the words of a template stand for. */
export interface TemplateNames {
  readonly id: string;
  readonly package: string;
  readonly title: string;
}

/** npm leaves `.gitignore` out of packages, so the template's is called otherwise. */
const renamed: Readonly<Record<string, string>> = { gitignore: '.gitignore' };

/** The files of a new plugin, by their paths in its folder. */
export async function fillTemplate(kind: PluginKind, names: TemplateNames): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const folder of [path.join(templates(), 'common'), path.join(templates(), kind)]) {
    for (const name of await filesBelow(folder)) {
      const text = fill(await readFile(path.join(folder, name), 'utf8'), names);
      files[renamed[name] ?? fill(name, names)] = name === 'package.json' ? forThisCore(text) : text;
    }
  }
  return files;
}

function templates(): string {
  return path.join(path.dirname(createRequire(import.meta.url).resolve('plugboard/package.json')), 'templates');
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
    .sort();
}

function fill(text: string, names: TemplateNames): string {
  return text
    .replaceAll('template-package', names.package)
    .replaceAll('template-id', names.id)
    .replaceAll('Template title', names.title);
}

/** A plugin is written for the core that it is made with. */
function forThisCore(text: string): string {
  const manifest = JSON.parse(text) as Record<string, unknown>;
  for (const member of ['peerDependencies', 'devDependencies']) {
    const packages = manifest[member];
    if (isObject(packages) && 'plugboard' in packages) packages['plugboard'] = `^${version}`;
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}
