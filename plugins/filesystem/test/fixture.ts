// The tree of files that tests work on, with an outside to reach for, and pictures of trees to compare.
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Stands in every file outside, and nowhere else. */
export const secret = 'SECRET-OF-THE-OUTSIDE';

/** Both spellings of one name: in one character, and as a letter with an accent. */
export const composed = 'caf\u00e9.txt';
export const decomposed = 'cafe\u0301.txt';

export interface Fixture {
  /** Holds the root and what is outside. */
  readonly base: string;
  readonly root: string;
  readonly outside: string;
}

const files: Record<string, string | Buffer> = {
  'a.txt': 'one\ntwo\nthree\n',
  'b.txt': 'alpha\n  beta\n\tgamma\n  beta\nomega',
  'crlf.txt': 'one\r\ntwo\r\n  three\r\n',
  'empty.txt': '',
  'breaks.txt': '\n\n\n',
  'fence.md': 'text\n```js\ncode\n```\n````\nmore\n',
  'long.txt': Array.from({ length: 9000 }, (_, index) => `line ${index} ${'é'.repeat(index % 7)}`).join('\n'),
  'wide.txt': `${'x'.repeat(150_000)}\nshort\n`,
  'bom.txt': '\ufeffbom and 🎉\n',
  'bytes.bin': Buffer.from([0, 1, 2, 255, 254, 10, 128, 13, 10, 195]),
  'image.png': Buffer.from([137, 80, 78, 71]),
  'LOUD.MP3': Buffer.from('sound'),
  'drawing.svg': '<svg/>',
  'with space & %.dat': 'data',
  'end ': 'a space at the end',
  '"quoted': 'a quote at the start',
  '~': 'not the home',
  [decomposed]: 'accent',
  'viet/e\u0302\u0323.txt': 'one spelling',
  'viet/e\u0323\u0302.txt': 'another spelling',
  'dir/one.ts': 'export const one = 1;\n',
  'dir/.hidden': 'hidden',
  'dir/deep/er/two.ts': 'export const two = 2;\n',
  'dir/deep/a.txt': 'another a\n',
  'node_modules/x/index.js': 'x',
  'build/out.js': 'out',
  '.git/config': 'config',
};

const links: Record<string, string> = {
  'link-file': 'a.txt',
  'link-dir': 'dir',
  'dir/link-up': '../b.txt',
  'link-out': '../outside',
  'link-out-file': '../outside/secret.txt',
  'dir/link-out-deep': '../../outside/folder',
  dangling: 'nowhere',
  'dangling-out': '../outside/nothing',
  loop: 'loop',
};

/** A fixture of its own in a temporary folder. */
export async function makeFixture(): Promise<Fixture> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'plugboard-filesystem-')));
  const fixture = { base, root: join(base, 'root'), outside: join(base, 'outside') };
  await mkdir(fixture.root);
  await fill(fixture);
  return fixture;
}

export async function removeFixture({ base }: Fixture): Promise<void> {
  await rm(base, { recursive: true, force: true });
}

/** Puts everything back as it was at first; the root folder itself stays. */
export async function fill({ base, root, outside }: Fixture): Promise<void> {
  for (const name of await readdir(root)) await rm(join(root, name), { recursive: true });
  await rm(outside, { recursive: true, force: true });
  for (const [name, content] of Object.entries(files)) await writeAt(join(root, name), content);
  for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name));
  await mkdir(join(root, 'hollow'));
  await chmod(join(root, 'a.txt'), 0o640);
  await chmod(join(root, 'dir/one.ts'), 0o755);
  for (const name of [
    'outside/secret.txt',
    'outside/folder/deeper.txt',
    'root"/quoted.txt',
    'root /blank.txt',
    'root-too/near.txt',
    'Root/case.txt',
  ]) {
    await writeAt(join(base, name), secret);
  }
}

async function writeAt(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await utimes(path, 1_700_000_000, 1_700_000_000);
}

/** Everything below a folder: what it is, its permissions, and its content. */
export async function picture(folder: string): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const name of (await readdir(folder, { recursive: true })).sort()) {
    const path = join(folder, name);
    const stats = await lstat(path);
    const mode = (stats.mode & 0o7777).toString(8);
    if (stats.isSymbolicLink()) seen[name] = `link ${await readlink(path)}`;
    else if (stats.isFile()) seen[name] = `file ${mode} ${(await readFile(path)).toString('latin1')}`;
    else seen[name] = `${stats.isDirectory() ? 'folder' : 'other'} ${mode}`;
  }
  return seen;
}

/** What is outside, to see that nothing there has changed. */
export async function pictureOutside({ base, root }: Fixture): Promise<Record<string, string>> {
  const seen: Record<string, string> = {};
  for (const name of (await readdir(base)).sort()) {
    const path = join(base, name);
    if (path === root) continue;
    seen[name] = JSON.stringify((await lstat(path)).isDirectory() ? await picture(path) : await readFile(path, 'utf8'));
  }
  return seen;
}
