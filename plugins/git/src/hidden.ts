// The proxy's own files in a repository: nobody sees them or touches them through git. Which they are, the proxy says.
import { basename, dirname, join, relative } from 'node:path';
import type { Repository } from './repository.ts';
import { Refusal } from './settings.ts';

export class Hidden {
  /** Relative to the top folder; most need not be there. Empty: git need not be told anything. */
  readonly paths: readonly string[];
  readonly #repository: Repository;
  readonly #tops: readonly string[];

  constructor(repository: Repository) {
    const { top, commonDir, root } = repository;
    this.#repository = repository;
    // In a linked worktree, what stands at the same path is the committed content of the same file.
    this.#tops = [...new Set([top, ...(basename(commonDir) === '.git' ? [dirname(commonDir)] : [])])];
    const found = this.#tops.flatMap((each) => root.reserved.below(each).map((place) => relative(each, place)));
    this.paths = [...new Set(found)];
  }

  /** True for a path, relative to the top folder, that is hidden or below something hidden. */
  covers(path: string): boolean {
    return this.#tops.some((top) => this.#repository.root.reserved.covers(join(top, path)));
  }

  /** True when the files of the repository itself, and not only of another worktree, may be among them. */
  get isHere(): boolean {
    return this.#repository.root.reserved.below(this.#repository.top).length > 0;
  }

  /** Pathspecs for what is asked for (everything, when it is nothing) without what is hidden; literal ones do not do. */
  pathspecs(paths: readonly string[]): string[] {
    const wanted = (paths.length === 0 ? ['.'] : paths).map((path) =>
      path === '.' ? ':(top)' : `:(top,literal)${path}`,
    );
    return [...wanted, ...this.paths.map((path) => `:(top,exclude,icase,literal)${path}`)];
  }

  refusal(path: string): Refusal {
    return new Refusal(`${path} belongs to the proxy itself: its own files are open to nobody here`);
  }
}
