// Words that must not be in any file of the project: they would tie it to one machine or one registry, or give a secret
// away.
import { readFileSync } from 'node:fs';
import path from 'node:path';

const rules = [
  {
    pattern: /(?<![\w.~*)\]}-])\/(?:work|root|(?:home|Users)\/(?!(?:user|me|you|node|alice|bob)\b)[\w-]+)\//,
    reason: 'a folder of one machine; take it relative to the file, from os.tmpdir() or from an option',
  },
  {
    pattern: /"resolved": "https?:/,
    reason: 'a lock file that names its registry; write it with "npm install --omit-lockfile-registry-resolved"',
  },
  {
    pattern: /\bregistry\.(?:npmjs|yarnpkg|npmmirror)\.\w+|\b(?:npm\.pkg\.github|jfrog\.io|pkgs\.dev\.azure)\b/,
    reason: "the host of a registry; which one is used is npm's configuration",
  },
  { pattern: /\bregistry\s*=\s*https?:/, reason: "a registry of one place; which one is used is npm's configuration" },
  {
    pattern: /\/\/[^/\s]+:(?:_authToken|_auth|_password)=/,
    reason: 'credentials of a registry; they never go into the tree',
  },
  { pattern: /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/, reason: 'a private key; tests make their own at run time' },
];

const self = '.ci/words.mjs';

const isBinary = (contents) => contents.subarray(0, 8000).includes(0);

function checkLine(line, place) {
  const found = rules.map(({ pattern, reason }) => ({ word: pattern.exec(line)?.[0], reason }));
  return found.filter(({ word }) => word !== undefined).map(({ word, reason }) => `${place}: ${word}: ${reason}`);
}

function checkFile(root, file) {
  const contents = readFileSync(path.join(root, file));
  if (file === self || isBinary(contents)) return [];
  const lines = contents.toString().split('\n');
  return lines.flatMap((line, index) => checkLine(line, `${file}:${index + 1}`));
}

/**
 * Looks for forbidden words.
 * @param {string} root the workspace
 * @param {string[]} files paths relative to `root`
 * @returns {string[]} one line for each place: file, line, the word, and why
 */
export function checkWords(root, files) {
  return files.flatMap((file) => checkFile(root, file));
}
