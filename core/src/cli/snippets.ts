// What `plugboard up` offers to copy: a curl call, a block for .mcp.json, a call of one tool. Each works as it is printed.
import path from 'node:path';
import type { BoardApi, ToolEntry } from '../board-api.ts';
import { findConfigFile, isEntryOf } from '../config.ts';
import type { Config } from '../config.ts';
import type { Grant } from '../grant.ts';
import { isObject, metaKey, newVersions } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { version } from '../version.ts';
import type { Console } from './console.ts';
import { invocation } from './invocation.ts';
import { shellWord } from './shell-word.ts';
import type { UpOptions } from './up.ts';

export interface Running {
  readonly url: string;
  readonly board: Pick<BoardApi, 'tools' | 'defaultGrant' | 'grants' | 'protected'>;
  readonly config: Config;
  readonly options: UpOptions;
}

/** Prints the three things to copy. */
export async function printSnippets(running: Running, output: Console): Promise<void> {
  const { board, url, config } = running;
  const [name, grant]: [string | undefined, Grant] = board.protected
    ? ([...board.grants][0] ?? [undefined, board.defaultGrant])
    : [undefined, board.defaultGrant];
  const tools = await board.tools(grant);
  const heading = (text: string) => output.print(`\n${output.paint('bold', text)}`);
  if (board.protected)
    output.print(
      `\ncallers need a token: export PLUGBOARD_TOKEN=…  (grants: ${[...board.grants.keys()].join(', ') || 'none in the file'})`,
    );
  heading('List the tools');
  output.print(curlCall(url, board.protected));
  heading('Give them to a client (.mcp.json)');
  output.print(JSON.stringify(clientBlock(config.name, url, board.protected), undefined, 2));
  heading('Call one');
  output.print(commandLine(running, name, tools));
  await printAvailable(running, output);
  output.print(`\n${output.paint('dim', 'Ctrl-C stops the proxy and everything it started.')}`);
}

/** What `Also here` does not name: a transport would open a door nobody asked for, and `mcpServers` brings its plugin along. */
const unoffered = new Set(['transport', 'servers']);

/** Plugins that are installed and not in use, with the command that takes them. */
async function printAvailable({ config }: Running, output: Console): Promise<void> {
  const { presentPlugins } = await import('../loader.ts');
  const unused = presentPlugins(config.directory).flatMap(({ id, description }) => {
    const [, kind = '', what = description] = /^Plugboard (\w+): (.*)$/.exec(description) ?? [];
    return unoffered.has(kind) || config.plugins.some((entry) => isEntryOf(entry, id)) ? [] : [{ id, what }];
  });
  if (unused.length === 0) return;
  output.print(`\n${output.paint('bold', 'Also here')}`);
  const width = Math.max(...unused.map(({ id }) => id.length));
  for (const { id, what } of unused) output.print(`${id.padEnd(width)}  ${what}`);
  const command = [invocation(), 'add', unused[0]?.id ?? 'ID', ...configFlags(config)];
  output.print(output.paint('dim', command.join(' ')));
}

/** `--config FILE` where a command would read another file by itself. */
function configFlags({ file }: Config): string[] {
  if (file === undefined || file === findConfigFile(process.cwd())) return [];
  return ['--config', shellWord(path.relative(process.cwd(), file))];
}

/** A tools/list as one request of the new era (2026-07-28, basic protocol: stateless, its envelope in `_meta`). */
export function curlCall(url: string, isProtected: boolean): string {
  const [protocol] = newVersions;
  const _meta = {
    [metaKey.protocolVersion]: protocol,
    [metaKey.clientInfo]: { name: 'curl', version },
    [metaKey.clientCapabilities]: {},
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } });
  const headers = [
    'Content-Type: application/json',
    'Accept: application/json, text/event-stream',
    `MCP-Protocol-Version: ${protocol}`,
    'Mcp-Method: tools/list',
  ];
  const lines = [`curl -sS ${url}`, ...headers.map((header) => `-H '${header}'`)];
  if (isProtected) lines.push('-H "Authorization: Bearer $PLUGBOARD_TOKEN"');
  return [...lines, `-d '${body}'`].join(' \\\n  ');
}

function clientBlock(name: string, url: string, isProtected: boolean): JsonObject {
  const headers = isProtected ? { headers: { Authorization: 'Bearer ${PLUGBOARD_TOKEN}' } } : {};
  return { mcpServers: { [name]: { type: 'http', url, ...headers } } };
}

/** `plugboard call TOOL …` for the tool that is easiest to call; listing when there is none. */
function commandLine(
  { url, config, options }: Running,
  grant: string | undefined,
  tools: readonly ToolEntry[],
): string {
  const flags = configFlags(config);
  const { port } = new URL(url);
  const isWritten = config.plugins.some((entry) => isEntryOf(entry, 'http') && String(entry.options['port']) === port);
  if (options.port !== undefined || !isWritten) flags.push('--port', port);
  if (grant !== undefined) flags.push('--grant', shellWord(grant));
  const easiest = tools.toSorted((a, b) => difficulty(a) - difficulty(b))[0];
  const command =
    easiest === undefined
      ? ['tools']
      : ['call', easiest.name, ...requiredOf(easiest).map((key) => shellWord(`${key}=${sampleOf(easiest, key)}`))];
  return [invocation(), ...command, ...flags].join(' ');
}

/** Tools that take nothing and change nothing come first; a secret on the terminal would be a bad beginning. */
function difficulty(entry: ToolEntry): number {
  const { annotations } = entry.definition;
  const harmless = isObject(annotations) && annotations['readOnlyHint'] === true;
  const telling = /(?:^|[_-])env(?:$|[_-])|environ/i.test(entry.name);
  return requiredOf(entry).length * 2 + (harmless ? 0 : 1) + (telling ? 100 : 0);
}

function schemaOf({ definition }: ToolEntry): JsonObject {
  return isObject(definition['inputSchema']) ? definition['inputSchema'] : {};
}

function requiredOf(entry: ToolEntry): string[] {
  const { required } = schemaOf(entry);
  return Array.isArray(required) ? required.map(String) : [];
}

/** A value that fits the type of an argument; what it means is for the reader to choose. */
function sampleOf(entry: ToolEntry, key: string): string {
  const { properties } = schemaOf(entry);
  const property = isObject(properties) ? properties[key] : undefined;
  if (!isObject(property)) return 'text';
  if (Array.isArray(property['enum'])) return String(property['enum'][0]);
  const samples: Readonly<Record<string, string>> = {
    number: '1',
    integer: '1',
    boolean: 'true',
    array: '[]',
    object: '{}',
  };
  return samples[String(property['type'])] ?? 'text';
}
