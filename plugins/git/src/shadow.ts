// The folder that git is told to take for the common part of a repository: objects (see `object-folders.ts`) and
// branches of the real one, but the configuration of `safe-config.ts` and no hooks. Whatever is written into the real
// configuration at whatever moment, git never reads it.
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Repository } from './repository.ts';
import { filterDrivers, parseSettings, safeConfig, unknownExtension } from './safe-config.ts';
import type { Setting } from './safe-config.ts';
import { run } from './run.ts';
import { Refusal } from './settings.ts';

export interface Shadow {
  readonly folder: string;
  /** An empty folder: what git finds when it looks for programs to run, or for a home. */
  readonly nothing: string;
  /** Drivers of the real configuration that are not run. */
  readonly filters: readonly string[];
  /** True when the repository has hooks, which are not run. */
  readonly hasHooks: boolean;
  remove(): Promise<void>;
}

/** Bytes of a configuration that are read. */
const longestConfig = 1024 * 1024;
const linked = ['refs', 'packed-refs', 'reftable', 'logs', 'info', 'shallow', 'worktrees'];

export interface ShadowInit {
  readonly program: string;
  /** The folder that shows the objects: see `object-folders.ts`. */
  readonly objects: string;
  /** True when git is going to write. */
  readonly writes: boolean;
  readonly signal: AbortSignal;
  /** The settings that were read last, by their text: reading them takes a process. */
  readonly known: Map<string, Setting[]>;
}

/** Makes the folder; it has to be removed. */
export async function makeShadow(repository: Repository, init: ShadowInit): Promise<Shadow> {
  const folder = await mkdtemp(join(tmpdir(), 'plugboard-git-'));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const nothing = join(folder, 'nothing');
    await mkdir(nothing);
    const settings = await readSettings(repository, nothing, init);
    const unknown = unknownExtension(settings);
    if (unknown !== undefined)
      throw new Refusal(`the repository uses ${unknown}, which is not supported here: convert it, or use git itself`);
    await writeFile(join(folder, 'config'), safeConfig(settings));
    await linkParts(repository, folder, init);
    const hasHooks = settings.some(({ key }) => key === 'core.hookspath') || (await hasActiveHooks(repository));
    return { folder, nothing, filters: filterDrivers(settings), hasHooks, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Of the repository and, where it has one of its own, of the worktree. */
async function readSettings(
  { commonDir, gitDir, root }: Repository,
  nothing: string,
  { program, signal, known }: ShadowInit,
): Promise<Setting[]> {
  const read = async (file: string): Promise<Setting[]> => {
    const entry = await lstat(file).catch(() => undefined);
    if (entry === undefined) return [];
    if (!entry.isFile() || entry.size > longestConfig)
      throw new Refusal(`${root.shown(file)} is not what git writes there: restore it`);
    const text = await readFile(file, 'utf8');
    const settings = known.get(text) ?? (await parseWithGit(text, nothing, program, signal));
    if (settings === undefined) throw new Refusal(`${root.shown(file)} is not a configuration that git can read`);
    known.clear();
    known.set(text, settings);
    return settings;
  };
  const common = await read(join(commonDir, 'config'));
  const ofWorktree = common.some(({ key, value }) => key === 'extensions.worktreeconfig' && value !== 'false');
  return ofWorktree ? [...common, ...(await read(join(gitDir, 'config.worktree')))] : common;
}

/** Git's own reading of a configuration, without the files that it includes; undefined: it is none. */
async function parseWithGit(
  text: string,
  nothing: string,
  program: string,
  signal: AbortSignal,
): Promise<Setting[] | undefined> {
  const copy = join(nothing, '..', 'read');
  await writeFile(copy, text);
  const env = { ...plainEnvironment(nothing), GIT_CEILING_DIRECTORIES: join(nothing, '..') };
  const args = ['config', '--file', copy, '--no-includes', '--null', '--list'];
  const ran = await run({ program, args, cwd: nothing, env, maxOutput: 4 * longestConfig, signal });
  signal.throwIfAborted();
  return ran.code === 0 && !ran.cut ? parseSettings(ran.output.toString('utf8')) : undefined;
}

async function linkParts(
  { commonDir, isLinked }: Repository,
  folder: string,
  { objects, writes }: ShadowInit,
): Promise<void> {
  // Git would make it in the place of the link, and fail.
  if (writes) await mkdir(join(commonDir, 'logs'), { recursive: true });
  // Without it, the branch of the main worktree would count as free.
  const parts = isLinked ? [...linked, 'HEAD'] : linked;
  await symlink(objects, join(folder, 'objects'));
  await Promise.all(parts.map((name) => symlink(join(commonDir, name), join(folder, name))));
}

async function hasActiveHooks({ commonDir }: Repository): Promise<boolean> {
  const names = await readdir(join(commonDir, 'hooks')).catch(() => []);
  return names.some((name) => !name.endsWith('.sample'));
}

/** What every git gets that is run here: no configuration of users and systems, no programs, no network, no questions. */
export function plainEnvironment(nothing: string): Record<string, string> {
  return {
    PATH: nothing,
    HOME: nothing,
    XDG_CONFIG_HOME: nothing,
    TMPDIR: tmpdir(),
    LC_ALL: 'C',
    GIT_EXEC_PATH: nothing,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_ALLOW_PROTOCOL: 'none',
    GIT_NO_LAZY_FETCH: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ASKPASS: 'false',
    SSH_ASKPASS: 'false',
    GIT_EDITOR: 'false',
    GIT_PAGER: 'cat',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_OPTIONAL_LOCKS: '0',
  };
}
