// `plugboard import FILE`: servers and tools of other programs' files, as they stand in ours. It prints them, or adds them to the configuration.
import path from 'node:path';
import { stringify } from 'yaml';
import { configFileNames, findConfigFile } from '../config.ts';
import { readSource } from '../config-source.ts';
import type { ConfigSource } from '../config-source.ts';
import { PlugboardError } from '../errors.ts';
import { convert } from '../import/convert.ts';
import type { Conversion } from '../import/convert.ts';
import { formats, readFormat } from '../import/formats.ts';
import type { Format } from '../import/formats.ts';
import { mergeServers, openNote } from '../import/merge.ts';
import type { Merged } from '../import/merge.ts';
import type { JsonObject } from '../protocol/messages.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';

export interface ImportOptions {
  /** The file to import. */
  readonly file: string;
  /** Its format: `mcp`, `servers-config` or `client-config`; found by its keys when it is left out. */
  readonly as?: string | undefined;
  /** Adds the servers to the configuration instead of printing them. */
  readonly write?: boolean | undefined;
  readonly config?: string | undefined;
}

/** Throws USAGE, INPUT_INVALID with every place, and as writing does. No secret of the file is ever printed. */
export async function importConfig(options: ImportOptions, output: Console): Promise<number> {
  const source = await read(options.file);
  const imported = readFormat(source, formatNamed(options.as));
  const conversion = convert(imported, source);
  if (options.write === true && conversion.toolConfig !== undefined)
    throw new PlugboardError(
      'USAGE',
      '--write: a client-config is about one task; put the lines printed without --write into its TaskRun',
    );
  const section = sectionOf(conversion);
  const merged = options.write === true ? await write(conversion, options.config) : undefined;
  const notes = notesOf(conversion, merged);
  const variables = conversion.variables.map(({ name, literalAt }) => ({
    name,
    ...(literalAt === undefined ? {} : { valueAt: source.locate(literalAt) }),
  }));
  if (output.json) {
    const written = merged === undefined ? {} : { written: merged.file, added: merged.added, present: merged.present };
    output.printJson({ format: imported.format, ...section, variables, notes, ...written });
    return exitCodes.ok;
  }
  if (merged === undefined) output.print(stringify(section, { lineWidth: 0 }).trimEnd());
  else {
    output.print(
      `${merged.file}: added ${list(merged.added)}${merged.present.length === 0 ? '' : `; already there: ${list(merged.present)}`}`,
    );
  }
  for (const note of notes) output.note(`note: ${note}`);
  for (const { name, valueAt } of variables)
    output.note(
      `set ${name} in the environment of the proxy${valueAt === undefined ? '' : `; its value stands at ${valueAt}`}`,
    );
  return exitCodes.ok;
}

async function read(file: string): Promise<ConfigSource> {
  try {
    return await readSource(path.resolve(file));
  } catch (error) {
    // The codes of a configuration have hints about our own.
    if (!(error instanceof PlugboardError)) throw error;
    if (error.code === 'CONFIG_NOT_FOUND') throw new PlugboardError('USAGE', error.message);
    throw new PlugboardError('INPUT_INVALID', error.message, { cause: error });
  }
}

function formatNamed(name: string | undefined): Format | undefined {
  const format = formats.find((each) => each === name);
  if (name !== undefined && format === undefined)
    throw new PlugboardError('USAGE', `--as: there is no format "${name}" (known: ${formats.join(', ')})`);
  return format;
}

/** What is added to a file: our configuration, or a TaskRun. */
function sectionOf({ servers, deny, toolConfig }: Conversion): JsonObject {
  if (toolConfig !== undefined) return { toolConfig };
  return { mcpServers: Object.fromEntries(servers), ...(deny.length === 0 ? {} : { tools: { deny } }) };
}

async function write(conversion: Conversion, config: string | undefined): Promise<Merged & { readonly file: string }> {
  const file = config === undefined ? findConfigFile(process.cwd()) : path.resolve(config);
  if (file === undefined)
    throw new PlugboardError('CONFIG_NOT_FOUND', `none of ${configFileNames.join(', ')} is in ${process.cwd()}`);
  return { ...(await mergeServers(file, conversion)), file };
}

function notesOf({ notes, allow }: Conversion, merged: Merged | undefined): string[] {
  if (merged !== undefined) return [...notes, ...merged.notes];
  return allow.length === 0 ? [...notes] : [...notes, openNote(allow)];
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'nothing' : names.join(', ');
}
