// Is node_modules what package-lock.json asks for? Reads only; installing is bootstrap.mjs's part.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const markerOf = (root) => path.join(root, 'node_modules', '.cache', 'plugboard-install.json');

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

function readJson(file) {
  const text = readText(file);
  try {
    return text === undefined ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Native tools (esbuild, tsc, oxlint, biome) come per platform, so a folder shared between two machines counts as not
// installed.
function stateOf(root) {
  const lock = readText(path.join(root, 'package-lock.json'));
  if (lock === undefined)
    throw new Error(`${root}: package-lock.json is missing; restore it: git checkout package-lock.json`);
  return { platform: `${process.platform}-${process.arch}`, lock: createHash('sha256').update(lock).digest('hex') };
}

const npmRecord = (root) => path.join(root, 'node_modules', '.package-lock.json');

// npm's own record of an install also changes when only the lock file is written, so the packages themselves are asked.
// Optional ones may be left out for good reasons.
function hasWantedVersions(root) {
  const wanted = readJson(path.join(root, 'package-lock.json'))?.packages ?? {};
  return Object.entries(wanted).every(([folder, entry]) => {
    const found = readJson(path.join(root, folder, 'package.json'));
    if (found === undefined) return entry.optional === true;
    return entry.version === undefined || found.version === entry.version;
  });
}

/**
 * True when nothing has to be installed: by the marker of the last install, or else (after a plain `npm install`) by the
 * versions found. npm writes its record last, so an interrupted install has none.
 */
export function isInstalled(root) {
  if (readText(npmRecord(root)) === undefined) return false;
  const state = stateOf(root);
  const marker = readJson(markerOf(root));
  if (marker !== undefined && marker.platform !== state.platform) return false;
  if (marker?.lock === state.lock) return true;
  if (!hasWantedVersions(root)) return false;
  rememberInstall(root);
  return true;
}

/**
 * Notes which package-lock.json was installed, and for which platform; `npm ci` removes the note together with
 * node_modules.
 */
export function rememberInstall(root) {
  mkdirSync(path.dirname(markerOf(root)), { recursive: true });
  writeFileSync(markerOf(root), `${JSON.stringify(stateOf(root))}\n`);
}
