// Finding text in text, in time that grows with the length of both and not with their product.

/** Beyond this product of lengths the built-in search can take minutes on text that somebody made for that. */
const harmless = 10_000_000;

/** The text with the first occurrence of `wanted` replaced; undefined when there is none. */
export function replaceFirst(text: string, wanted: string, replacement: string): string | undefined {
  const quick = text.length * wanted.length <= harmless;
  const start = quick ? text.indexOf(wanted) : findRun(codes(text), codes(wanted));
  if (start < 0) return undefined;
  return text.slice(0, start) + replacement + text.slice(start + wanted.length);
}

/** The code units of a text: many times faster to walk over than the text itself. */
function codes(text: string): Uint16Array {
  const units = new Uint16Array(text.length);
  for (let index = 0; index < text.length; index += 1) units[index] = text.charCodeAt(index);
  return units;
}

/** Index of the first run of items equal to `wanted`, or -1 (the algorithm of Knuth, Morris and Pratt). */
export function findRun<Item>(items: ArrayLike<Item>, wanted: ArrayLike<Item>): number {
  if (wanted.length === 0) return 0;
  const borders = findBorders(wanted);
  let matched = 0;
  for (let index = 0; index < items.length; index += 1) {
    while (matched > 0 && items[index] !== wanted[matched]) matched = borders[matched - 1] ?? 0;
    if (items[index] === wanted[matched]) matched += 1;
    if (matched === wanted.length) return index - matched + 1;
  }
  return -1;
}

/** For each prefix, the length of its longest proper prefix that is also its end. */
function findBorders(wanted: ArrayLike<unknown>): Uint32Array {
  const borders = new Uint32Array(wanted.length);
  let length = 0;
  for (let index = 1; index < wanted.length; index += 1) {
    while (length > 0 && wanted[index] !== wanted[length]) length = borders[length - 1] ?? 0;
    if (wanted[index] === wanted[length]) length += 1;
    borders[index] = length;
  }
  return borders;
}
