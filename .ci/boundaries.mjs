// Who may import whom. The direction is `plugins/* → plugboard → registry-index` (its data and readers), `test →
// anything`, and nothing else; a package declares what it uses.
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import path from 'node:path';
import { readImports } from './imports.mjs';
import { packageFolders } from './outputs.mjs';

const core = 'core';
const testKit = '@plugboard/test-kit';

/** What the core must not know: the plugins' own libraries. */
const foreignToCore = /^(?:@plugboard\/(?!registry-index$)|koa$|@koa\/|koa-|lowdb$|@kubernetes\/)/;

/** Packages with a single file that may import them. */
const soleImporters = { tapable: 'core/src/hook.ts' };

const packageName = (specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');

const isInside = (file, folder) => file === folder || file.startsWith(`${folder}/`);

function readManifest(root, folder) {
  const manifest = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8'));
  const shipped = { ...manifest.dependencies, ...manifest.peerDependencies, ...manifest.optionalDependencies };
  return { folder, name: manifest.name, shipped, all: { ...shipped, ...manifest.devDependencies } };
}

/** The package that each file belongs to; what crosses packages (`test/`) belongs to the workspace itself. */
function createOwnerFinder(root) {
  const workspace = readManifest(root, '.');
  const isPackage = (folder) => existsSync(path.join(root, folder, 'package.json'));
  const packages = packageFolders(root).filter(isPackage);
  const owners = packages.map((folder) => readManifest(root, folder));
  return (file) => owners.find(({ folder }) => isInside(file, folder)) ?? workspace;
}

// Each rule: one import and its surroundings in, what is wrong and what to do instead out.

function checkRelative({ file, specifier, owner, isSource }) {
  const target = path.join(path.dirname(file), specifier);
  if (isSource && isInside(target, path.join(owner.folder, 'test'))) return 'source must not import from test/';
  if (owner.folder === '.' || isInside(target, owner.folder)) return undefined;
  return `leaves its package (${owner.folder}); import the other package by its name`;
}

function checkBuiltin({ specifier }) {
  return specifier.startsWith('node:') ? undefined : `write 'node:${specifier}'`;
}

function checkDirection({ file, specifier, owner, isSource }) {
  const name = packageName(specifier);
  if (name === 'plugboard' && specifier !== name) return "the core's insides are not public; import from 'plugboard'";
  if (owner.folder === core && foreignToCore.test(name)) {
    return 'the core knows no plugin and none of their libraries; this belongs in a plugin or in test/';
  }
  if (isSource && name === owner.name) return 'a package does not import itself; import the file';
  const isStranger = name.startsWith('@plugboard/') && name !== owner.name && (isSource || name !== testKit);
  if (isInside(file, 'plugins') && isStranger)
    return 'plugins do not import each other; ask for a service by its name (needs)';
  const sole = soleImporters[name] ?? file;
  return isSource && file !== sole ? `only ${sole} imports ${name}; use what it exports` : undefined;
}

function checkDeclared({ specifier, owner, isSource, workspace }) {
  const name = packageName(specifier);
  const manifest = path.join(owner.folder, 'package.json');
  if (name === owner.name) return undefined;
  if (isSource) return name in owner.shipped ? undefined : `not in dependencies or peerDependencies of ${manifest}`;
  const isOurs = name === 'plugboard' || name.startsWith('@plugboard/');
  return isOurs || name in owner.all || name in workspace.all ? undefined : `not declared in ${manifest}`;
}

function checkImport(found) {
  if (found.specifier.startsWith('.')) return checkRelative(found);
  if (found.specifier.startsWith('node:') || builtinModules.includes(found.specifier)) return checkBuiltin(found);
  return checkDirection(found) ?? checkDeclared(found);
}

/**
 * Checks the imports of all given TypeScript files.
 * @param {string} root the workspace
 * @param {string[]} files paths relative to `root`; others than TypeScript files of a package are left out
 * @returns {Promise<string[]>} one line for each import that breaks a rule: file, line, what, and what to do
 */
export async function checkBoundaries(root, files) {
  const folders = [...packageFolders(root), 'plugins'];
  const ownerOf = createOwnerFinder(root);
  // Templates are files of packages that do not exist yet; a test makes them and checks them.
  const isOurs = (file) => folders.some((folder) => isInside(file, folder)) && !isInside(file, 'core/templates');
  const sources = files.filter((file) => file.endsWith('.ts') && isOurs(file));
  const workspace = readManifest(root, '.');
  return (await readImports(root, sources)).flatMap((found) => {
    const owner = ownerOf(found.file);
    const isSource = isInside(found.file, path.join(owner.folder, 'src'));
    const problem = checkImport({ ...found, owner, isSource, workspace });
    return problem === undefined ? [] : [`${found.file}:${found.line}: imports '${found.specifier}': ${problem}`];
  });
}

/** Packages that the build leaves out, because the root tsconfig.json does not refer to them. */
export function findUnbuilt(root, files) {
  const built = packageFolders(root);
  const configs = files.filter((file) => /^(?:[^/]+|plugins\/[^/]+|test\/kit)\/tsconfig\.json$/.test(file));
  const missing = configs.map((file) => path.dirname(file)).filter((folder) => !built.includes(folder));
  const explain = (folder) => `${folder} is missing, so it is neither built nor tested; add { "path": "${folder}" }`;
  return missing.map((folder) => `tsconfig.json: references: ${explain(folder)}`);
}
