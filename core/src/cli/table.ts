// Rows under a header, columns padded, long cells wrapped at words where there is a width to keep.
import { stripVTControlCharacters } from 'node:util';

const gap = 2;
const edges = ['top', 'bottom', 'left', 'right'].flatMap((side) => [side, `${side}-mid`]);
const corners = ['top-left', 'top-right', 'bottom-left', 'bottom-right', 'mid', 'mid-mid'];
const chars = { ...Object.fromEntries([...edges, ...corners].map((name) => [name, ''])), middle: ' '.repeat(gap) };

/** Cells are single lines; colours in them count for nothing. `width`: columns of the terminal, undefined where nobody minds. */
export async function renderTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
): Promise<string> {
  const { default: Table } = await import('cli-table3');
  const style = { 'padding-left': 0, 'padding-right': 0, head: [], border: [] };
  const colWidths = width === undefined ? [] : widthsFor([header, ...rows], width);
  const table = new Table({ head: [...header], chars, style, colWidths, wordWrap: true });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** As wide as their cells, or, where that is too much, the widest ones as narrow as their longest word allows. */
function widthsFor(rows: readonly (readonly string[])[], width: number): number[] {
  const columns = (rows[0] ?? []).map((_, index) => rows.map((row) => stripVTControlCharacters(row[index] ?? '')));
  const widths = columns.map((cells) => Math.max(1, ...cells.map((cell) => cell.length)));
  const least = columns.map((cells) =>
    Math.max(1, ...cells.flatMap((cell) => cell.split(' ')).map(({ length }) => length)),
  );
  let over = widths.reduce((sum, each) => sum + each + gap, -gap) - width;
  while (over > 0) {
    const widest = widths.reduce(
      (best, each, index) => (each > (least[index] ?? 0) && each > (widths[best] ?? 0) ? index : best),
      -1,
    );
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
    over -= 1;
  }
  return widths;
}
