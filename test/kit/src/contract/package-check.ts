// The package of a plugin as it would be published: what it says of itself, what is in it, its entry for the index. Nothing of it is run.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { checkEntry, checkPackage } from '@plugboard/registry-index';
import { isObject, z } from 'plugboard';
import type { Plugin } from 'plugboard';
import { findingsOf } from './findings.ts';
import type { Finding } from './findings.ts';
import { exportTargets } from './subject.ts';
import type { PluginPackage } from './subject.ts';

const run = promisify(execFile);

/** Names of the options that a plugin takes. */
export function optionNames(plugin: Plugin): string[] {
  if (plugin.options === undefined) return [];
  const schema = z.toJSONSchema(plugin.options, { io: 'input', unrepresentable: 'any' });
  return Object.keys(schema.properties ?? {});
}

/** Compares a package with the plugin that it holds. */
export function checkManifest({ manifest, readme }: PluginPackage, plugin: Plugin): Finding[] {
  const name = String(manifest['name']);
  const defined = { id: plugin.id, apiVersion: plugin.apiVersion, options: optionNames(plugin) };
  const problems = checkPackage({ id: plugin.id, package: name }, { manifest, readme, defined });
  const isOfReadme = (problem: string) => problem.includes('README');
  const more: string[] = [];
  if (manifest['type'] !== 'module') more.push('package.json: type must be "module"');
  const engines = manifest['engines'];
  if (!isObject(engines) || typeof engines['node'] !== 'string')
    more.push('package.json: engines.node is missing: say which versions of Node it runs on');
  if (typeof manifest['license'] !== 'string') more.push('package.json: license is missing');
  return [
    ...findingsOf('manifest', [...problems.filter((problem) => !isOfReadme(problem)), ...more]),
    ...findingsOf('readme', problems.filter(isOfReadme)),
  ];
}

/** Checks the entry for the index, where the package has one (`plugins/<id>.json`). */
export async function checkIndexEntry({ folder, manifest }: PluginPackage, id: string): Promise<Finding[]> {
  const text = await readFile(path.join(folder, 'plugins', `${id}.json`), 'utf8').catch(() => undefined);
  if (text === undefined) return [];
  const entry: unknown = JSON.parse(text);
  const problems = checkEntry(entry, { kind: 'plugin', file: id, others: [] });
  const name = isObject(entry) ? entry['package'] : undefined;
  if (name !== manifest['name'])
    problems.push(
      `plugins/${id}.json: package is ${JSON.stringify(name)} and package.json says ${JSON.stringify(manifest['name'])}`,
    );
  return findingsOf('entry', problems);
}

/** Files that npm would pack, by the folder of each package: one run of npm for all of them. */
export async function packedFiles(folders: readonly string[]): Promise<string[][]> {
  const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--no-update-notifier', '--loglevel=error'];
  const { stdout } = await run('npm', [...args, ...folders.map((folder) => path.resolve(folder))], {
    maxBuffer: 64 * 1024 * 1024,
    cwd: path.resolve(folders[0] ?? '.'),
  });
  return (JSON.parse(stdout) as { files: { path: string }[] }[]).map(({ files }) => files.map((each) => each.path));
}

/** Checks what would be packed. */
export function checkPacked({ manifest }: PluginPackage, files: readonly string[]): Finding[] {
  const problems: string[] = [];
  const there = new Set(files);
  const missing = (target: string) => !target.includes('*') && !there.has(target.replace(/^\.\//, ''));
  const types = [
    ...exportTargets(manifest, 'types'),
    ...(typeof manifest['types'] === 'string' ? [manifest['types']] : []),
  ];
  if (types.length === 0) problems.push('package.json: exports name no "types": authors who embed it get none');
  for (const target of [...types, ...exportTargets(manifest, 'default'), ...exportTargets(manifest, 'import')].filter(
    missing,
  ))
    problems.push(`${target}, which package.json exports, is not in the package: is it built, and named by "files"?`);
  const tests = files.filter((file) => /(?:^|\/)tests?\/|\.(?:test|spec)\.[cm]?[jt]s/.test(file));
  if (tests.length > 0) problems.push(`tests are in the package (${some(tests)}): name what is published in "files"`);
  const secret = files.filter((file) => /(?:^|\/)\.(?:env|npmrc|git|plugboard)(?:\/|$|\.)/.test(file));
  if (secret.length > 0) problems.push(`what must stay at home is in the package: ${some(secret)}`);
  if (!files.some((file) => /^readme/i.test(file))) problems.push('README.md is not in the package');
  return findingsOf('pack', problems);
}

function some(files: readonly string[]): string {
  return files.slice(0, 3).join(', ') + (files.length > 3 ? `, and ${files.length - 3} more` : '');
}
