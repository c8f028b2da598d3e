// Edits of one file, found and applied. The search for text is in `find.ts`, the diff in `diff.ts`.
import { unifiedDiff } from './diff.ts';
import { findRun, replaceFirst } from './find.ts';
import { locked } from './lock.ts';
import { readAll } from './read.ts';
import type { Space } from './space.ts';
import { withinTime } from './time-limit.ts';
import { replaceFile } from './write.ts';

export interface Edit {
  readonly oldText: string;
  readonly newText: string;
}

/** ms that applying edits may hold up everybody else. */
const editTime = 3000;

/** Applies edits in order and returns the diff in a code block; with `dryRun` the file stays as it is. */
export async function editFile(space: Space, path: string, edits: readonly Edit[], dryRun: boolean): Promise<string> {
  const real = await space.root.resolve(path);
  return locked([real], async () => {
    const bytes = await readAll(space, real, space.limits.maxFileSize, 'edit a smaller file, or raise the limit');
    const before = withoutReturns(bytes.toString('utf8'));
    const after = withinTime(editTime, 'the edits', () => edits.reduce(applyEdit, before));
    const diff = fenced(unifiedDiff(real, before, after));
    if (!dryRun) await replaceFile(space, real, after);
    return diff;
  });
}

function withoutReturns(text: string): string {
  return text.replaceAll('\r\n', '\n');
}

/**
 * Replaces the first exact match; without one, the first run of lines that differs in leading and trailing space only.
 */
function applyEdit(content: string, edit: Edit): string {
  const oldText = withoutReturns(edit.oldText);
  const newText = withoutReturns(edit.newText);
  const exact = replaceFirst(content, oldText, newText);
  if (exact !== undefined) return exact;
  const lines = content.split('\n');
  const oldLines = oldText.split('\n');
  const trimmed = lines.map((line) => line.trim());
  const start = findRun(
    trimmed,
    oldLines.map((line) => line.trim()),
  );
  if (start < 0) throw new Error(`Could not find exact match for edit:\n${edit.oldText}`);
  const newLines = reindent(newText.split('\n'), oldLines, indentOf(lines[start]));
  return [...lines.slice(0, start), ...newLines, ...lines.slice(start + oldLines.length)].join('\n');
}

/** Gives new lines the indent of the place they go to, and to each other the one they had. */
function reindent(newLines: readonly string[], oldLines: readonly string[], indent: string): string[] {
  return newLines.map((line, index) => {
    if (index === 0) return indent + line.trimStart();
    const oldIndent = indentOf(oldLines[index]);
    const newIndent = indentOf(line);
    if (oldIndent === '' || newIndent === '') return line;
    return indent + ' '.repeat(Math.max(0, newIndent.length - oldIndent.length)) + line.trimStart();
  });
}

function indentOf(line = ''): string {
  return /^\s*/.exec(line)?.[0] ?? '';
}

/** A code block whose fence is longer than any in the text. */
function fenced(patch: string): string {
  let longest = 0;
  for (const [run] of patch.matchAll(/`+/g)) longest = Math.max(longest, run.length);
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}diff\n${patch}${fence}\n\n`;
}
