// What is wrong with a folder that a configuration opens to callers. The folder itself is used elsewhere.
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { PluginProblem } from './plugin.ts';
import { Reserved } from './reserved.ts';

/**
 * What is wrong with a folder that callers shall work in, for a plugin's own check and for a warning at its start; undefined: nothing.
 * `reserved` is {@link PluginApi.reserved}. Never rejects. Not to be waited for by `apply`: the folder may be on a slow mount.
 */
export async function rootProblem(folder: string, reserved: readonly string[]): Promise<PluginProblem | undefined> {
  const failure = (what: string, advice: string): PluginProblem => {
    return { result: 'failure', text: `option root: ${folder} ${what}, so every call fails`, advice };
  };
  const real = await realpath(folder).catch(() => undefined);
  const found = real === undefined ? undefined : await stat(real).catch(() => undefined);
  if (real === undefined || found === undefined) return failure('is not there', 'create it, or correct `root`');
  if (!found.isDirectory()) return failure('is no folder', 'name a folder');
  const own = new Reserved(reserved);
  await own.locate();
  if (own.covers(real)) return failure('is where the proxy keeps files of its own', 'name another folder');
  const names = await present(own.below(real), real);
  if (names.length === 0) return undefined;
  return {
    result: 'warning',
    text:
      `option root: ${folder} holds files of the proxy itself (${names.join(', ')}). Nobody can read or change these through this server, ` +
      'but the rest of the folder is open to its callers, with all programs and plugins in it that the proxy runs',
    advice: 'name a folder that holds only what they may change, such as ./workspace',
  };
}

async function present(files: readonly string[], folder: string): Promise<string[]> {
  const found = await Promise.all(
    files.map(async (file) => ((await isThere(file)) ? [path.relative(folder, file)] : [])),
  );
  return found.flat();
}

async function isThere(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined)) !== undefined;
}
