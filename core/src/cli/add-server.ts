// `plugboard add` for a server of the catalogue: nothing is installed, an entry of `mcpServers` is written and its secrets are named.
import { readFile } from 'node:fs/promises';
import { ChoiceError, toMcpServersEntry } from '@plugboard/registry-index';
import { withMember } from '../config-edit.ts';
import { configFromText } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import type { Indexes } from '../registry/indexes.ts';
import { replaceFile } from '../replace-file.ts';
import type { Console } from './console.ts';

export interface AddServerInit {
  readonly file: string;
  readonly indexes: Indexes;
  readonly options: { readonly as?: string; readonly set?: readonly string[] };
}

/** Writes the entry. Throws USAGE when there is no such server, or one of that name is configured already. */
export async function addServer(
  id: string,
  { file, indexes, options }: AddServerInit,
  output: Console,
): Promise<JsonObject> {
  const server = indexes.servers.find((each) => each.id === id);
  if (server === undefined) {
    const [nearest] = closest(
      id,
      indexes.servers.map((each) => each.id),
    );
    throw new PlugboardError(
      'USAGE',
      `the catalogue has no server "${id}"${nearest === undefined ? '' : ` (nearest: ${nearest})`}`,
    );
  }
  if (server.status === 'archived')
    throw new PlugboardError(
      'USAGE',
      `${id} is archived${server.replacedBy === undefined ? '' : `: add ${server.replacedBy} instead`}`,
    );
  const { entry, secrets, settings, optional } = makeEntry(server, options.set ?? []);
  const name = options.as ?? id;
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const config = text === '' ? undefined : await configFromText(text, file, { tolerant: true });
  const written = config?.written;
  if (isObject(written) && isObject(written['mcpServers']) && name in written['mcpServers'])
    throw new PlugboardError(
      'CONFIG_EXISTS',
      `${file}: mcpServers.${name} is there already; give it another name with --as NAME`,
    );
  await replaceFile(file, withMember(text, file, ['mcpServers', name], { ...entry }), 0o644);
  if (!output.json) {
    output.print(`${output.paint('green', '✔')} ${name} is written into ${file}`);
    for (const { name: variable, description } of [...secrets, ...settings])
      output.print(
        `  set ${output.paint('bold', variable)} in the proxy’s environment${description === undefined ? '' : `: ${description}`}`,
      );
    for (const { name: variable, description } of optional)
      output.note(`  it would also take ${variable}${description === undefined ? '' : `: ${description}`}`);
  }
  return { name, secrets: secrets.map((each) => each.name), settings: settings.map((each) => each.name) };
}

function makeEntry(server: Indexes['servers'][number], given: readonly string[]) {
  const values = Object.fromEntries(
    given.map((pair) => {
      const cut = pair.indexOf('=');
      if (cut < 1) throw new PlugboardError('USAGE', `--set ${pair}: write name=value`);
      return [pair.slice(0, cut), pair.slice(cut + 1)];
    }),
  );
  try {
    return toMcpServersEntry(server, { values });
  } catch (error) {
    if (error instanceof ChoiceError) throw new PlugboardError('USAGE', error.message);
    throw error;
  }
}
