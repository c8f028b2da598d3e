// Order of versions by semver.org, newest first.
import { exactVersion } from './server-entry.ts';
import { compareText } from './tool-summary.ts';

/** Compares two exact versions: negative when the first one is newer. What is no version comes last. */
export function newestFirst(a: string, b: string): number {
  const [first, second] = [partsOf(a), partsOf(b)];
  if (first === undefined || second === undefined)
    return Number(first === undefined) - Number(second === undefined) || compareText(a, b);
  for (const [index, number] of first.numbers.entries()) {
    const difference = (second.numbers[index] ?? 0) - number;
    if (difference !== 0) return difference;
  }
  return -comparePreReleases(first.pre, second.pre);
}

function partsOf(version: string): { numbers: number[]; pre: string[] } | undefined {
  if (!exactVersion.test(version)) return undefined;
  const [core = '', ...pre] = version.replace(/\+.*$/, '').split('-');
  return { numbers: core.split('.').map(Number), pre: pre.length === 0 ? [] : pre.join('-').split('.') };
}

/** A version without a pre-release part is newer than one with it; numbers are older than words. */
function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (const [index, part] of a.entries()) {
    const other = b[index];
    if (other === undefined) return 1;
    if (part === other) continue;
    const [left, right] = [Number(part), Number(other)];
    if (Number.isNaN(left) !== Number.isNaN(right)) return Number.isNaN(left) ? 1 : -1;
    return Number.isNaN(left) ? compareText(part, other) : left - right;
  }
  return a.length - b.length;
}
