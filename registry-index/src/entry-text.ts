// An entry as it is written into its file: the same text that the formatter of this repository makes of it.

const width = 120;

const scalar = String.raw`(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null)`;

/** A list of plain values as `JSON.stringify` breaks it. A text cannot hold a line break, so nothing inside of one is meant. */
const brokenList = new RegExp(String.raw`\[\n\s+(${scalar}(?:,\n\s+${scalar})*)\n\s*\]`, 'g');

/** JSON of an entry: two spaces, and lists of plain values on one line where they fit. */
export function entryText(entry: object): string {
  const text = JSON.stringify(entry, undefined, 2).replaceAll(
    brokenList,
    (list, values: string, offset: number, whole: string) => {
      const line = `[${values.replaceAll(/,\n\s+/g, ', ')}]`;
      const column = offset - (whole.lastIndexOf('\n', offset) + 1);
      const comma = whole[offset + list.length] === ',' ? 1 : 0;
      return column + line.length + comma <= width ? line : list;
    },
  );
  return `${text}\n`;
}
