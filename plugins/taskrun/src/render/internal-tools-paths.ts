// Paths against the rules of `Read(…)` and `Edit(…)`: patterns as in .gitignore. Links are not followed: the files are the agent's, not the proxy's.
import path from 'node:path';
import { globMatches } from './internal-tools-rules.ts';

/** Longer paths open no file (Linux: PATH_MAX). */
const maxLength = 4096;

/**
 * True when a pattern is about a path. `//x` is absolute, `~/x` in somebody's home, `/x`, `./x` and `x` in the agent's folder. A pattern that
 * denies fits in any folder when the agent's is not known; one that allows then fits nothing.
 * @param file as the agent named it
 * @param folder the agent's folder, absolute; undefined when it is not known
 */
export function fitsPath(pattern: string, file: string, folder: string | undefined, effect: 'allow' | 'deny'): boolean {
  if (file.length > maxLength) return effect === 'deny';
  const absolute = path.posix.normalize(folder === undefined ? file : path.posix.resolve(folder, file));
  const wanted = segmentsOf(pattern.replace(/^(?:~|\.)?\/+/, ''), effect);
  if (pattern.startsWith('//')) return matches(wanted, segments(absolute), effect);
  if (pattern.startsWith('~/')) return matches(wanted, inHome(segments(absolute), wanted, effect), effect);
  // A name alone is meant in whatever folder it stands.
  const anywhere = !pattern.replace(/\/$/, '').includes('/');
  if (folder === undefined) return effect === 'deny' && matches(['**', ...wanted], segments(absolute), effect);
  const inside = path.posix.relative(folder, absolute);
  if (inside === '..' || inside.startsWith('../')) return false;
  return matches(anywhere ? ['**', ...wanted] : wanted, segments(inside), effect);
}

function segments(file: string): string[] {
  return file.split('/').filter((each) => each !== '' && each !== '.');
}

/** The parts of a pattern. At its end, `**` is what is in a folder; whoever may not read that may not search the folder either. */
function segmentsOf(pattern: string, effect: 'allow' | 'deny'): string[] {
  const parts = segments(pattern);
  while (parts.length > 1 && parts.at(-1) === '**') parts.pop();
  return effect === 'allow' && /\*\*\/?$/.test(pattern) && parts.at(-1) !== '**' ? [...parts, '*'] : parts;
}

/** The path below a home. Which one is the agent's is not known: what denies is about any folder that may be one. */
function inHome(file: readonly string[], wanted: readonly string[], effect: 'allow' | 'deny'): readonly string[] {
  const [top = ''] = file;
  const depth = top === 'root' ? 1 : ['home', 'Users'].includes(top) ? 2 : undefined;
  if (depth !== undefined) return file.slice(depth);
  if (effect === 'allow') return [];
  const start = file.findIndex((_each, index) => matches(wanted, file.slice(index), effect));
  return start < 0 ? [] : file.slice(start);
}

/**
 * True when the pattern fits the path, or a folder that it is in. `**` stands for any number of parts; it goes back to the last one only, so
 * the time grows with pattern × path: paths come from an agent.
 */
function matches(wanted: readonly string[], file: readonly string[], effect: 'allow' | 'deny'): boolean {
  // What is in a folder that fits, fits as well.
  const pattern = [...wanted, '**'];
  if (wanted.length === 0 || file.length === 0) return false;
  let [at, next, star, starAt] = [0, 0, -1, 0];
  while (at < file.length) {
    const part = pattern[next];
    if (part === '**') {
      star = next++;
      starAt = at;
    } else if (part !== undefined && matchesPart(part, file[at] ?? '', effect)) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (pattern[next] === '**') next++;
  return next === pattern.length;
}

/** File systems that ignore case must not open a way around a rule that denies. */
function matchesPart(pattern: string, part: string, effect: 'allow' | 'deny'): boolean {
  return effect === 'deny'
    ? globMatches(pattern.toLowerCase(), part.toLowerCase(), '?')
    : globMatches(pattern, part, '?');
}
