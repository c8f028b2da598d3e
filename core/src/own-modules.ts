// The modules that a plugin is made of, beside the packages it uses: when one of them has changed, and how all of them are imported anew.
// Node keeps a module for ever under its URL; what is to be read again needs another one.
import { readFileSync, statSync } from 'node:fs';
import * as nodeModule from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** Bytes of a module in which imports are looked for. */
const maxBytes = 4 * 1024 * 1024;
/** Modules of one plugin that are looked at. */
const maxModules = 1000;
/** Modules in which a syntax error is looked for; each takes a process. */
const maxChecked = 20;

/** What follows `from`, `import` or `require` and begins with a dot. A match that is no import costs one look at the disk. */
const relativeImport = /\b(?:from|import|require)\s*\(?\s*(["'])(\.{1,2}\/[^"'\r\n]+)\1/g;

/** Files that an entry file imports by relative paths, and those that they import; the entry is the first. */
export function ownModules(entry: string): string[] {
  const found = new Set([entry]);
  for (const file of found) {
    for (const specifier of importsOf(file)) {
      const target = fileOf(path.resolve(path.dirname(file), specifier));
      if (target !== undefined && found.size < maxModules) found.add(target);
    }
  }
  return [...found];
}

/** Changes when one of the modules of an entry file does. */
export function stampOf(entry: string): string {
  return ownModules(entry)
    .map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? file : `${file} ${stat.mtimeMs} ${stat.size}`;
    })
    .join('\n');
}

function importsOf(file: string): string[] {
  try {
    if (statSync(file).size > maxBytes) return [];
    return [...readFileSync(file, 'utf8').matchAll(relativeImport)].map(([, , specifier = '']) => specifier);
  } catch {
    return [];
  }
}

/** Only `require` adds to a name; an import says it whole. */
function fileOf(target: string): string | undefined {
  const names = ['', '.js', '.cjs', '.json', '/index.js'].map((end) => `${target}${end}`);
  return names.find((name) => statSync(name, { throwIfNoEntry: false })?.isFile() === true);
}

/** Where a plugin's own modules are no JavaScript, as `file:line`; Node's error for a module says it to a terminal only. */
export async function findSyntaxError(entry: string): Promise<string | undefined> {
  const { execFile } = await import('node:child_process');
  for (const file of ownModules(entry).slice(0, maxChecked)) {
    const said = await new Promise<string>((resolve) =>
      execFile(process.execPath, ['--check', file], (_error, _stdout, stderr) => resolve(stderr)),
    );
    const line = /^(?:file:\/\/)?\S.*:(\d+)\r?\n/.exec(said)?.[1];
    if (line !== undefined) return `${file}:${line}`;
  }
  return undefined;
}

/** Parameter of the URLs that modules are imported anew by. */
const parameter = 'plugboard-import';

let generation = 0;

/** Imports an entry file and everything it imports by relative paths, whatever of it has been imported before. */
export async function importAnew(entry: string): Promise<unknown> {
  markImports();
  const required = nodeModule.createRequire(import.meta.url).cache;
  for (const file of ownModules(entry)) delete required[file];
  const url = pathToFileURL(entry);
  url.searchParams.set(parameter, String(++generation));
  return await import(url.href);
}

/** The URL of an import: where the importing module has a mark, a relative import of it gets the same one. Takes nothing from around it. */
function marked(name: string, specifier: string, url: string, parent: string | undefined): string {
  if (parent === undefined || !/^\.{1,2}\//.test(specifier) || !url.startsWith('file:')) return url;
  const mark = new URL(parent).searchParams.get(name);
  if (mark === null) return url;
  const next = new URL(url);
  next.searchParams.set(name, mark);
  return next.href;
}

/** The part of `node:module` that Node 20 does not have. */
interface SyncHooks {
  registerHooks(hooks: {
    resolve(
      specifier: string,
      context: { readonly parentURL?: string },
      next: (specifier: string, context: object) => { readonly url: string },
    ): object;
  }): unknown;
}

let marking = false;

/** From now on marks are handed on. Only when something is imported again, because it makes every later import a little slower. */
function markImports(): void {
  if (marking) return;
  marking = true;
  const { registerHooks } = nodeModule as unknown as Partial<SyncHooks>;
  if (registerHooks === undefined) {
    const source = `const marked = ${marked.toString()};
export const resolve = async (specifier, context, next) => {
  const found = await next(specifier, context);
  return { ...found, url: marked(${JSON.stringify(parameter)}, specifier, found.url, context.parentURL) };
};`;
    nodeModule.register(`data:text/javascript,${encodeURIComponent(source)}`);
    return;
  }
  registerHooks({
    resolve: (specifier, context, next) => {
      const found = next(specifier, context);
      return { ...found, url: marked(parameter, specifier, found.url, context.parentURL) };
    },
  });
}
