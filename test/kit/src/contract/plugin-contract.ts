// The contract of plugins: every rule as a test of ava, or all findings at once for other programs.
import path from 'node:path';
import type { TestFn } from 'ava';
import { isObject } from 'plugboard';
import { checkCapabilities } from './capability-check.ts';
import { findingsOf, pluginRules } from './findings.ts';
import type { Finding, PluginRule } from './findings.ts';
import { tryPlugin } from './life-check.ts';
import { checkIndexEntry, checkManifest, checkPacked, packedFiles } from './package-check.ts';
import { importPlugin, readPackage } from './subject.ts';
import type { PluginPackage, PluginSubject } from './subject.ts';

/** Checks a plugin by all rules. Rejects when it cannot be loaded, or ends its process. */
export async function checkPlugin(subject: PluginSubject): Promise<Finding[]> {
  const found = await readPackage(subject.folder);
  const plugin = subject.plugin ?? (await importPlugin(found.entry));
  const ownFiles = async () => (await packedFiles([subject.folder]))[0] ?? [];
  const [life, packed] = await Promise.all([checkLife(subject, found), (subject.packed ?? ownFiles)()]);
  return [
    ...checkManifest(found, plugin),
    ...(await checkIndexEntry(found, plugin.id)),
    ...checkPacked(found, packed),
    ...life,
  ];
}

/**
 * Declares one test for each rule: `pluginContract(test, { plugin, folder })`. `folder` is the package's own, which must be built. A plugin
 * that cannot start alone says with which options, and beside which other plugins.
 */
export function pluginContract(test: TestFn, subject: PluginSubject): void {
  let found: Promise<Finding[]> | undefined;
  const name = subject.plugin?.id ?? path.basename(path.resolve(subject.folder));
  for (const [rule, title] of Object.entries(pluginRules)) {
    test(`${name}: ${title}`, async (t) => {
      t.timeout(600_000);
      found ??= checkPlugin(subject);
      const texts = (await found).filter((each) => each.rule === (rule as PluginRule)).map(({ text }) => text);
      t.deepEqual(texts, []);
    });
  }
}

async function checkLife(subject: PluginSubject, { manifest, entry }: PluginPackage): Promise<readonly Finding[]> {
  const { findings, seen, started } = await tryPlugin(subject, entry);
  const own = isObject(manifest['plugboard']) ? manifest['plugboard'] : {};
  const capabilities = started ? findingsOf('capabilities', checkCapabilities(own['capabilities'], seen)) : [];
  return [...findings, ...capabilities];
}
