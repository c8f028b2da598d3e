// Keeps callers off the paths that are the proxy's own, for plugins that let them read or write files. Which paths those are is decided
// elsewhere: `PluginApi.reserved`.
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';

interface Place {
  readonly path: string;
  /** In the one spelling that is compared. */
  readonly folded: string;
}

/** ms after which it is looked again where the paths lead: a link may be turned over while the proxy runs. */
const fresh = 1000;

/**
 * The reserved paths as they are on disk now: each as it is written and where its links lead. Names are compared without regard to case and
 * Unicode spelling, because the file system may do so as well.
 */
export class Reserved {
  readonly #paths: readonly string[];
  readonly #root: string | undefined;
  #places: readonly Place[];
  #located = Number.NEGATIVE_INFINITY;

  /**
   * `paths`: absolute, as {@link PluginApi.reserved} gives them. `root`: a real path that the proxy itself has given to a caller, such as the
   * workspace of a task; reserved folders that hold it do not count, what is reserved below it does.
   */
  constructor(paths: readonly string[], root?: string) {
    this.#paths = paths;
    this.#root = root === undefined ? undefined : fold(root);
    this.#places = this.#counted(paths);
  }

  /** Looks where the paths lead; to be awaited before each use. Never rejects. */
  async locate(): Promise<void> {
    if (performance.now() - this.#located < fresh) return;
    const places = await Promise.all(
      this.#paths.map(async (each) => [
        path.join(await realOr(path.dirname(each)), path.basename(each)),
        await realOr(each),
      ]),
    );
    this.#places = this.#counted([...this.#paths, ...places.flat()]);
    this.#located = performance.now();
  }

  /** True when a real path is reserved, or below a reserved folder: it is neither shown, read nor written. */
  covers(real: string): boolean {
    const folded = fold(real);
    return this.#places.some((place) => holds(place.folded, folded));
  }

  /** The reserved places below a real folder: it must not be moved or deleted when there are some. */
  below(folder: string): readonly string[] {
    const folded = fold(folder);
    return this.#places.filter((place) => holds(folded, place.folded)).map((place) => place.path);
  }

  /** True when a file is a reserved one under another name: a hard link. Files in reserved folders are not compared. */
  async hasTwin(file: { readonly dev: number; readonly ino: number }): Promise<boolean> {
    const found = await Promise.all(this.#places.map((place) => stat(place.path).catch(() => undefined)));
    return found.some((each) => each?.ino === file.ino && each.dev === file.dev);
  }

  #counted(paths: readonly string[]): Place[] {
    return [...new Set(paths)]
      .map((each) => ({ path: each, folded: fold(each) }))
      .filter(({ folded }) => this.#root === undefined || folded === this.#root || !holds(folded, this.#root));
  }
}

/** Upper case first: some letters have one spelling in upper case and two in lower case. */
function fold(text: string): string {
  return text.normalize('NFC').toUpperCase().toLowerCase();
}

function holds(folder: string, folded: string): boolean {
  return folded === folder || folded.startsWith(folder.endsWith(path.sep) ? folder : `${folder}${path.sep}`);
}

function realOr(each: string): Promise<string> {
  return realpath(each).catch(() => each);
}
