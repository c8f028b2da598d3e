// `plugboard add` for a server of the catalogue: nothing is installed, an entry of `mcpServers` is written and its secrets are named.
import { readFile } from 'node:fs/promises';
import { ChoiceError, toMcpServersEntry } from '@plugboard/registry-index';
import type { EnvironmentNeed } from '@plugboard/registry-index';
import { withMember } from '../config-edit.ts';
import { configFromText } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { closest } from '../nearest.ts';
import { isObject } from '../protocol/messages.ts';
import type { Indexes } from '../registry/indexes.ts';
import { replaceFile } from '../replace-file.ts';
import type { Console } from './console.ts';

export interface AddServerInit {
  readonly file: string;
  readonly indexes: Indexes;
  readonly options: { readonly as?: string; readonly set?: readonly string[] };
}

/** What was written, and what the proxy's environment has to hold. */
export interface AddedServer {
  readonly name: string;
  /** Names of variables. */
  readonly secrets: readonly string[];
  readonly settings: readonly string[];
  /** Those of both that this command's own environment lacks. */
  readonly unset: readonly string[];
  readonly variables: readonly EnvironmentNeed[];
  /** What the server would also take. */
  readonly optional: readonly EnvironmentNeed[];
}

/** Writes the entry. Throws USAGE when there is no such server, or one of that name is configured already. */
export async function addServer(id: string, { file, indexes, options }: AddServerInit): Promise<AddedServer> {
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
  const variables = [...secrets, ...settings];
  return {
    name,
    secrets: secrets.map((each) => each.name),
    settings: settings.map((each) => each.name),
    unset: variables.map((each) => each.name).filter((each) => process.env[each] === undefined),
    variables,
    optional,
  };
}

/** Says where it stands and what to set. */
export function describeServer({ name, variables, optional }: AddedServer, where: string, output: Console): void {
  output.print(`${output.paint('green', '✔')} ${name} is written into ${where}`);
  const about = (description: string | undefined) => (description === undefined ? '' : `: ${description}`);
  for (const variable of variables)
    output.note(`  set ${variable.name} in the environment of the proxy${about(variable.description)}`);
  for (const variable of optional) output.note(`  it would also take ${variable.name}${about(variable.description)}`);
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
