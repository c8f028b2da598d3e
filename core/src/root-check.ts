// What is worth a warning about a folder that a configuration opens to callers. The folder itself is used elsewhere.
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { Reserved } from './reserved.ts';

/**
 * What is wrong with a folder that callers shall work in, as a sentence that says what to do; undefined: nothing. `reserved` is
 * {@link PluginApi.reserved}. Never rejects. Not to be waited for by `apply`: the folder may be on a slow mount.
 */
export async function rootProblem(folder: string, reserved: readonly string[]): Promise<string | undefined> {
  const real = await realpath(folder).catch(() => undefined);
  if (real === undefined) return `${folder} is not there: create it, or every call fails`;
  const own = new Reserved(reserved);
  await own.locate();
  if (own.covers(real))
    return `${folder} is where the proxy keeps files of its own, so every call fails: name another folder`;
  const found = await Promise.all(
    own.below(real).map(async (each) => ((await isThere(each)) ? [path.relative(real, each)] : [])),
  );
  const names = found.flat();
  if (names.length === 0) return undefined;
  return (
    `${folder} holds files of the proxy itself (${names.join(', ')}). Nobody can read or change these through this server, but the rest ` +
    'of the folder is open to its callers, with all programs and plugins in it that the proxy runs: name a folder that holds only what ' +
    'they may change, such as ./workspace'
  );
}

async function isThere(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}
