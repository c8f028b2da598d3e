// The options table of a plugin's README: are its rows the keys of the options schema? Used by the index and by the contract suite.

/**
 * Compares the first table under a heading "Options" with the options of a plugin.
 * @param readme Markdown
 * @param keys names of the options, as the schema has them; empty: the plugin takes none, and no table is asked for
 * @returns one sentence for each problem. A row names its option in code (`path`), several options as several codes, and a part of an
 * option with a dot (`limits.tasks`), which counts as its first part. A code that begins with a dot belongs to the option before it.
 */
export function checkOptionsTable(readme: string, keys: readonly string[]): string[] {
  const rows = readRows(readme);
  if (rows === undefined)
    return keys.length === 0
      ? []
      : ['README: has no table under a heading "Options"; describe: '.concat(keys.join(', '))];
  const named = rows.flatMap(({ cell, line }) => {
    const codes = [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
    const names = codes.filter((name, index) => index === 0 || !name.startsWith('.'));
    return names.length === 0 ? [{ name: '', line }] : names.map((name) => ({ name, line }));
  });
  const problems = named.flatMap(({ name, line }) => {
    if (name === '') return [`README:${line}: the row names no option: write it in code, as \`name\``];
    const [option = ''] = name.split(/[.[]/);
    return keys.includes(option)
      ? []
      : [`README:${line}: describes \`${name}\`, which the options schema does not have`];
  });
  const described = new Set(named.map(({ name }) => name.split(/[.[]/)[0]));
  const missing = keys.filter((key) => !described.has(key));
  return [...problems, ...missing.map((key) => `README: the options table does not describe \`${key}\``)];
}

interface Row {
  readonly cell: string;
  readonly line: number;
}

/** The first cells of the table's rows; undefined when there is no table. */
function readRows(readme: string): Row[] | undefined {
  const lines = readme.split('\n');
  const heading = lines.findIndex((line) => /^#{1,6}\s+Options\s*$/i.test(line));
  if (heading < 0) return undefined;
  const rest = lines.slice(heading + 1);
  const nextHeading = rest.findIndex((line) => /^#{1,6}\s/.test(line));
  const section = nextHeading < 0 ? rest : rest.slice(0, nextHeading);
  const top = section.findIndex((line) => line.trimStart().startsWith('|'));
  if (top < 0) return undefined;
  const after = section.slice(top).findIndex((line) => !line.trimStart().startsWith('|'));
  const table = after < 0 ? section.slice(top) : section.slice(top, top + after);
  // The first two lines are the header and its rule.
  return table
    .slice(2)
    .map((line, index) => ({ cell: line.split('|')[1] ?? '', line: heading + 1 + top + 2 + index + 1 }));
}
