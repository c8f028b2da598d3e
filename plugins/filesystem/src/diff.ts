// The diff of two texts as a unified patch: the shortest one where little is changed, else one that takes
// everything between the first and the last change for changed.
import { createTwoFilesPatch, formatPatch } from 'diff';

/**
 * Lines taken away and added up to which the shortest is looked for: the time for that grows with the square of them, a
 * tenth of a second here, and holds up everybody else.
 */
const longestEdit = 1000;
/** Unchanged lines shown before and after a change. */
const context = 4;
const endMark = '\\ No newline at end of file';

export function unifiedDiff(path: string, before: string, after: string): string {
  const shortest = createTwoFilesPatch(path, path, before, after, 'original', 'modified', {
    maxEditLength: longestEdit,
  });
  return shortest ?? oneHunk(path, splitLines(before), splitLines(after));
}

/** Lines with the break that ends them; the last may have none. */
function splitLines(text: string): string[] {
  return text.split(/(?<=\n)/);
}

function oneHunk(path: string, before: readonly string[], after: readonly string[]): string {
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const first = Math.max(0, head - context);
  const last = Math.max(0, tail - context);
  const lines = [
    ...before.slice(first, head).flatMap((line) => marked(' ', line)),
    ...before.slice(head, before.length - tail).flatMap((line) => marked('-', line)),
    ...after.slice(head, after.length - tail).flatMap((line) => marked('+', line)),
    ...before.slice(before.length - tail, before.length - last).flatMap((line) => marked(' ', line)),
  ];
  return formatPatch({
    oldFileName: path,
    newFileName: path,
    oldHeader: 'original',
    newHeader: 'modified',
    hunks: [
      {
        oldStart: first + 1,
        oldLines: before.length - last - first,
        newStart: first + 1,
        newLines: after.length - last - first,
        lines,
      },
    ],
  });
}

function marked(mark: string, line: string): string[] {
  return line.endsWith('\n') ? [mark + line.slice(0, -1)] : [mark + line, endMark];
}
