// Places of the API: paths made of arguments, so that no argument can lead to another place. Nothing is sent here.

/** A path below the API's address, every argument in it encoded. Only {@link at} makes one. */
export class Place {
  readonly path: string;
  constructor(parts: readonly string[], values: readonly (string | number | Slashed)[]) {
    this.path = parts.map((part, index) => part + encode(values[index] ?? '', index < values.length)).join('');
  }
}

/** An argument whose slashes divide it: a file's path, a branch. */
export class Slashed {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Makes a place: ``at`/repos/${owner}/${repo}/issues` ``. Throws for arguments that no path can carry. */
export function at(parts: TemplateStringsArray, ...values: (string | number | Slashed)[]): Place {
  return new Place(parts, values);
}

export function slashed(text: string): Slashed {
  return new Slashed(text);
}

function encode(value: string | number | Slashed, expected: boolean): string {
  if (!expected) return '';
  if (!(value instanceof Slashed)) return encodeText(String(value));
  // The root of a repository is written in both ways.
  const text = value.text.replace(/^\/+|\/+$/g, '');
  return text === '' ? '' : text.split('/').map(encodeText).join('/');
}

/**
 * One segment. Dot segments are refused however deep they stand, because somebody on the way may decode a slash before the path is
 * put in order.
 */
function encodeText(text: string): string {
  const shown = JSON.stringify(text.slice(0, 80));
  if (text === '') throw new Error('a part of the path is empty: leave no argument empty, and no "//" in a path');
  if (text.split(/[/\\]/).some((part) => part === '.' || part === '..'))
    throw new Error(`${shown} has "." or ".." as a part: write the name or path from the top of the repository`);
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new Error(`${shown} has control characters in it: leave them out`);
  try {
    return encodeURIComponent(text);
  } catch {
    throw new Error(`${shown} is not well-formed Unicode: write it anew`);
  }
}
