// What the system says of files, in words for people: which file, what was tried, why not. Who is told is the caller's business.
import { getSystemErrorMap } from 'node:util';

/** What was tried, by the name of the system call. */
const attempts: Readonly<Record<string, string>> = {
  open: 'open',
  read: 'read',
  write: 'write',
  stat: 'look at',
  lstat: 'look at',
  access: 'look at',
  realpath: 'find',
  mkdir: 'make the folder',
  mkdtemp: 'make a folder at',
  scandir: 'read the folder',
  opendir: 'read the folder',
  rename: 'replace',
  copyfile: 'copy',
  cp: 'copy',
  link: 'link',
  symlink: 'link',
  readlink: 'read',
  unlink: 'remove',
  rm: 'remove',
  rmdir: 'remove the folder',
  chmod: 'change the rights of',
  utime: 'change the time of',
};

/** `cannot make the folder /x: permission denied` for a system error about a file; undefined for every other value. */
export function describeFileFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { errno, code, path, syscall } = error as NodeJS.ErrnoException;
  const attempt = syscall === undefined ? undefined : attempts[syscall];
  if (path === undefined || attempt === undefined) return undefined;
  const [, why = code ?? error.message] = (errno === undefined ? undefined : getSystemErrorMap().get(errno)) ?? [];
  return `cannot ${attempt} ${path}: ${why}`;
}
