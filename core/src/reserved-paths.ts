// Which paths are the proxy's own: whoever writes them decides what it runs, whoever reads them has its secrets. Keeping callers off them is
// the business of plugins that serve files: see `reserved.ts`.
import path from 'node:path';
import { configFileNames } from './config.ts';
import type { Config } from './config.ts';
import { pluginKeyKind } from './config-schema.ts';
import { lockFileOf } from './lock-file.ts';

/** Absolute paths of files and folders, the folder of the proxy's state first; most need not be there. */
export function reservedPaths({ file, directory, plugins, referencedFiles }: Config): readonly string[] {
  const beside = [...configFileNames, 'plugboard.packages.json', '.npmrc'].map((name) => path.join(directory, name));
  const ownPlugins = plugins
    .filter(({ key }) => pluginKeyKind(key) === 'path')
    .map(({ key }) => path.resolve(directory, key))
    // A plugin whose folder is the one of the configuration would leave nothing that is not reserved.
    .filter((place) => !`${directory}${path.sep}`.startsWith(`${place}${path.sep}`));
  const all = [
    path.join(directory, '.plugboard'),
    ...(file === undefined ? [] : [file]),
    ...beside,
    lockFileOf(directory),
    ...ownPlugins,
    ...referencedFiles,
  ];
  return [...new Set(all)];
}
