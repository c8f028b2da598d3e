// Git on one repository for one call: which options every command gets, and what its failures mean.
import { join } from 'node:path';
import { Hidden } from './hidden.ts';
import type { Repository } from './repository.ts';
import { run } from './run.ts';
import type { Ran } from './run.ts';
import { plainEnvironment } from './shadow.ts';
import type { Shadow } from './shadow.ts';
import { Refusal } from './settings.ts';
import type { Settings } from './settings.ts';

export interface GitInit {
  readonly repository: Repository;
  readonly shadow: Shadow;
  readonly settings: Settings;
  /** Absolute. */
  readonly program: string;
  readonly signal: AbortSignal;
}

export interface RunOptions {
  readonly input?: string;
  /** Bytes of output instead of the option's. */
  readonly maxOutput?: number;
  /** Pathspecs among the arguments are more than the paths themselves. */
  readonly patterns?: boolean;
}

/** Beside the configuration that git is shown: whatever may change there, these are never on. */
const settled = [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.sshCommand=false',
  'core.pager=cat',
  'core.editor=false',
  'core.askPass=false',
  'core.attributesFile=/dev/null',
  'core.excludesFile=/dev/null',
  'core.quotePath=false',
  // What is larger counts as binary and is not held in memory.
  'core.bigFileThreshold=32m',
  'protocol.allow=never',
  'credential.helper=',
  'submodule.recurse=false',
  'diff.ignoreSubmodules=all',
  'commit.gpgSign=false',
  'log.showSignature=false',
  'gc.auto=0',
  'maintenance.auto=false',
  'user.useConfigOnly=true',
  'advice.detachedHead=false',
];

export class Git {
  readonly repository: Repository;
  readonly hidden: Hidden;
  readonly filters: readonly string[];
  readonly hasHooks: boolean;
  readonly #init: GitInit;

  constructor(init: GitInit) {
    this.#init = init;
    this.repository = init.repository;
    this.hidden = new Hidden(init.repository);
    this.filters = init.shadow.filters;
    this.hasHooks = init.shadow.hasHooks;
  }

  /** Git on another worktree of the same repository. */
  at(repository: Repository): Git {
    return new Git({ ...this.#init, repository });
  }

  /** Runs a command, whatever its exit code is. */
  async run(args: readonly string[], { input, maxOutput, patterns }: RunOptions = {}): Promise<Ran> {
    const { program, settings, signal, repository } = this.#init;
    const ran = await run({
      program,
      args: [...settled.flatMap((each) => ['-c', each]), '--no-pager', ...args],
      cwd: repository.top,
      env: { ...this.#environment(), ...(patterns === true && { GIT_LITERAL_PATHSPECS: '0' }) },
      input,
      maxOutput: maxOutput ?? settings.maxOutput,
      signal,
    });
    signal.throwIfAborted();
    return ran;
  }

  /** Runs a command that has to succeed; what was cut off counts as success. */
  async must(args: readonly string[], options?: RunOptions): Promise<Ran> {
    const ran = await this.run(args, options);
    if (ran.code === 0 || ran.cut) return ran;
    throw this.failure(args[0] ?? '', ran);
  }

  /** The same for a command on these paths (none: on all of them), without what is hidden. */
  mustOn(paths: readonly string[], args: readonly string[]): Promise<Ran> {
    if (this.hidden.paths.length === 0) return this.must([...args, '--', ...paths]);
    return this.must([...args, '--', ...this.hidden.pathspecs(paths)], { patterns: true });
  }

  /** The output of a command that has to succeed, without the line break at its end. */
  async text(args: readonly string[], options?: RunOptions): Promise<string> {
    return (await this.must(args, options)).output.toString('utf8').trimEnd();
  }

  failure(command: string, { code, errors, output }: Ran): Refusal {
    const { repository, shadow } = this.#init;
    const said = (errors.trim() || output.toString('utf8').trim())
      .replaceAll(shadow.folder, join(repository.root.shown(repository.commonDir)))
      .slice(0, 2000);
    const lock = /Unable to create '([^']+\.lock)': File exists/.exec(said)?.[1];
    if (lock !== undefined) {
      return new Refusal(
        `another git is at work in this repository, or one was ended in the middle: try again in a moment. If that ` +
          `does not help and no git is running, somebody has to delete ${repository.root.shown(lock)}`,
      );
    }
    const hint = hints.find(([pattern]) => pattern.test(said))?.[1];
    return new Refusal(`git ${command} failed${said === '' ? ` (exit code ${code})` : `: ${said}`}${hint ?? ''}`);
  }

  #environment(): Record<string, string> {
    const { repository, shadow, settings } = this.#init;
    const { author } = settings;
    const env: Record<string, string> = {
      ...plainEnvironment(shadow.nothing),
      GIT_DIR: repository.gitDir,
      GIT_COMMON_DIR: shadow.folder,
      GIT_OBJECT_DIRECTORY: join(shadow.folder, 'objects'),
      GIT_WORK_TREE: repository.top,
    };
    if (author === undefined) return env;
    return {
      ...env,
      GIT_AUTHOR_NAME: author.name,
      GIT_AUTHOR_EMAIL: author.email,
      GIT_COMMITTER_NAME: author.name,
      GIT_COMMITTER_EMAIL: author.email,
    };
  }
}

const hints: readonly (readonly [RegExp, string])[] = [
  [/does not have any commits yet|bad default revision/, '\nThere is nothing yet: commit something first'],
  [/tell me who you are|empty ident/i, '\nThe option author of this server says who commits: somebody has to set it'],
  [/would be overwritten by|local changes/, '\nCommit these changes first, or undo them'],
  [/already (?:checked out|used by worktree)/, '\nWork there, or create another branch'],
  [/unmerged|not possible because you have/i, '\nResolve the conflicts in these files, then git_add them'],
];
