// "Did you mean": the names nearest to one that is unknown. The only import of fastest-levenshtein.
import { distance } from 'fastest-levenshtein';

/** Names compared at most, so that a typo in front of a large catalogue stays cheap. */
const maxCompared = 5_000;

/** Up to `count` names that `wanted` may have meant, the nearest first; empty when none is near. */
export function closest(wanted: string, known: Iterable<string>, count = 1): string[] {
  const limit = Math.max(2, Math.floor(wanted.length * 0.4));
  const text = wanted.toLowerCase();
  const near: { name: string; far: number }[] = [];
  let compared = 0;
  for (const name of known) {
    if (compared++ >= maxCompared) break;
    if (Math.abs(name.length - wanted.length) > limit) continue;
    const far = distance(text, name.toLowerCase());
    if (far <= limit) near.push({ name, far });
  }
  near.sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1));
  // Beside a near one, a far one is only noise.
  const close = near.filter(({ far }) => far <= (near[0]?.far ?? 0) + 2);
  return [...new Set(close.map(({ name }) => name))].slice(0, count);
}
