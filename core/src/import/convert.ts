// From the ecosystem's files to what stands in ours: entries of `mcpServers`, and a task's `toolConfig`. Reading and writing are elsewhere.
import type { Problem } from '../config-problems.ts';
import { serverNamePattern } from '../config-schema.ts';
import type { ConfigSource, Place } from '../config-source.ts';
import { fold } from '../naming.ts';
import type { JsonObject } from '../protocol/messages.ts';
import { invalid } from './formats.ts';
import type { Imported, LocalServer, McpEntry, ToolmanServer } from './formats.ts';
import { SecretKeeper } from './secrets.ts';
import type { Variable } from './secrets.ts';

/** What a file amounts to. */
export interface Conversion {
  /** Entries by the names of their servers. */
  readonly servers: ReadonlyMap<string, JsonObject>;
  /** Selectors of tools that the file switches off or, for servers that list some, on. */
  readonly deny: readonly string[];
  readonly allow: readonly string[];
  /** `client-config.json`: the tools of a task; it has no entries then. */
  readonly toolConfig: JsonObject | undefined;
  readonly variables: readonly Variable[];
  /** What is different now, and what was left out. */
  readonly notes: readonly string[];
}

/** Converts a file. Throws INPUT_INVALID for what has no counterpart, with its place. */
export function convert(imported: Imported, source: ConfigSource): Conversion {
  const converter = new Converter();
  const conversion = converter.convert(imported);
  const problems = [...converter.problems, ...converter.keeper.problems];
  if (problems.length > 0) throw invalid(problems, source);
  return conversion;
}

class Converter {
  readonly keeper = new SecretKeeper();
  readonly problems: Problem[] = [];
  readonly #notes: string[] = [];
  readonly #servers = new Map<string, JsonObject>();
  readonly #allow: string[] = [];
  readonly #deny: string[] = [];

  convert(imported: Imported): Conversion {
    let toolConfig: JsonObject | undefined;
    if (imported.format === 'mcp') {
      for (const [name, entry] of Object.entries(imported.value.mcpServers)) this.#addMcp(name, entry);
    } else if (imported.format === 'servers-config') {
      for (const [name, entry] of Object.entries(imported.value.servers)) this.#addToolman(name, entry);
    } else toolConfig = this.#toolConfig(imported.value);
    return {
      servers: this.#servers,
      deny: this.#deny,
      allow: this.#allow,
      toolConfig,
      variables: this.keeper.variables,
      notes: this.#notes,
    };
  }

  #addMcp(name: string, entry: McpEntry): void {
    const place = ['mcpServers', name];
    const { type, timeout, disabled, name: title, alwaysAllow, autoApprove, alwaysLoad } = entry;
    if ([alwaysAllow, autoApprove, alwaysLoad].some((value) => value !== undefined))
      this.#notes.push(`${name}: what its client approves or loads without asking stays with the client`);
    const server = this.#serverOf(name, { ...entry, type: type === 'streamableHttp' ? 'http' : type }, place);
    this.#add(name, place, {
      ...server,
      ...(timeout === undefined ? {} : { timeout }),
      ...(disabled === true ? { disabled } : {}),
      ...(title === undefined ? {} : { title }),
    });
  }

  #addToolman(given: string, entry: ToolmanServer): void {
    const place = ['servers', given];
    const long = typeof entry.transport === 'object' ? entry.transport : undefined;
    if (long !== undefined) this.#refuseTwice(entry, place);
    const { transport, url, command, args, env, headers, workingDirectory, enabled, tools } = {
      ...entry,
      ...long,
      transport: long?.type ?? entry.transport,
    };
    const kind = typeof transport === 'string' ? transport : 'stdio';
    const server = this.#serverOf(
      given,
      {
        // Toolman speaks the older transport where the address says so.
        type: kind === 'http' && /\/sse\/?$/.test(url ?? '') ? 'sse' : kind === 'stdio' ? undefined : kind,
        // Toolman writes empty members for those that a transport does not have.
        command: command === '' ? undefined : command,
        args: args?.length === 0 ? undefined : args,
        env: Object.keys(env ?? {}).length === 0 ? undefined : env,
        url: url === '' ? undefined : (url ?? undefined),
        headers: Object.keys(headers ?? {}).length === 0 ? undefined : headers,
        cwd: folderOf(workingDirectory),
      },
      place,
    );
    const title = entry.name ?? undefined;
    const timeout = long?.timeout_ms;
    const name = this.#add(given, place, {
      ...server,
      ...(timeout === undefined ? {} : { timeout }),
      ...(enabled === false ? { disabled: true } : {}),
      ...(title === undefined || title === given ? {} : { title }),
    });
    if (entry.executionContext === 'local')
      this.#notes.push(`${name}: runs where the proxy runs, not beside the agent`);
    this.#addTools(name, tools ?? {});
  }

  #refuseTwice(entry: ToolmanServer, place: Place): void {
    for (const key of ['command', 'args', 'env', 'url', 'headers'] as const) {
      if (entry[key] !== undefined)
        this.problems.push({
          place: [...place, key],
          message: 'stands beside `transport`, which has it too: keep one',
        });
    }
  }

  #addTools(server: string, tools: NonNullable<ToolmanServer['tools']>): void {
    for (const [tool, { enabled }] of Object.entries(tools))
      (enabled ? this.#allow : this.#deny).push(`${server}:${tool}`);
  }

  #toolConfig({ remoteTools, localServers }: Extract<Imported, { format: 'client-config' }>['value']): JsonObject {
    const mcpServers = Object.entries(localServers).map(([name, entry]) => this.#taskServer(name, entry));
    // A name without `_` cannot tell its server: any server's tool of that name is meant.
    const allow = remoteTools.map((name) => (/[_:*]/.test(name) ? name : `*:${name}`));
    return {
      ...(mcpServers.length === 0 ? {} : { mcpServers }),
      ...(allow.length === 0 ? {} : { tools: { allow } }),
    };
  }

  #taskServer(given: string, entry: LocalServer): JsonObject {
    const place = ['localServers', given];
    const { command, args, env, tools, workingDirectory, enabled } = entry;
    const server =
      command === undefined
        ? {}
        : this.#serverOf(given, { command, args, env, cwd: folderOf(workingDirectory) }, place);
    if (command === undefined && (args !== undefined || Object.keys(env ?? {}).length > 0))
      this.problems.push({
        place,
        message: 'has no `command` to start; without one it stands for a server of the proxy',
      });
    const name = this.#nameOf(given, place);
    if (command !== undefined)
      this.#notes.push(`${name}: is started by the proxy for each task, in the folder of the configuration`);
    return {
      name,
      ...(enabled === false ? { enabled } : {}),
      ...server,
      ...(tools === undefined ? {} : { tools: { allow: tools } }),
    };
  }

  /** The members that all formats have, in ours. */
  #serverOf(name: string, entry: McpEntry, place: Place): JsonObject {
    const { type, command, args, env, cwd, url, headers } = entry;
    const remote = url !== undefined;
    if ((command === undefined) === !remote || (type !== undefined && (type !== 'stdio') !== remote)) {
      this.problems.push({
        place,
        message: 'needs either `command` (a program to start) or `url` (a server to reach), as its type says',
      });
    }
    const wrong = remote ? { args, env, cwd } : { headers };
    for (const [key, value] of Object.entries(wrong)) {
      if (value !== undefined)
        this.problems.push({
          place: [...place, key],
          message: `belongs to servers that are ${remote ? 'started with `command`' : 'reached by `url`'}`,
        });
    }
    const at = (key: string) => [...place, key];
    const texts = (values: Readonly<Record<string, unknown>>, key: string, keep: SecretKeeper['header']) =>
      Object.fromEntries(
        Object.entries(values).map(([each, value]) => [each, keep(name, each, String(value), [...at(key), each])]),
      );
    return {
      ...(type === undefined || type === 'stdio' ? {} : { type }),
      ...(command === undefined ? {} : { command: this.keeper.text(command, at('command')) }),
      ...(args === undefined ? {} : { args: this.keeper.arguments(name, args.map(String), at('args')) }),
      ...(env === undefined ? {} : { env: texts(env, 'env', (...given) => this.keeper.environment(...given)) }),
      ...(cwd === undefined ? {} : { cwd: this.keeper.text(cwd, at('cwd')) }),
      ...(url === undefined ? {} : { url: this.keeper.url(name, url, at('url')) }),
      ...(headers === undefined
        ? {}
        : { headers: texts(headers, 'headers', (...given) => this.keeper.header(...given)) }),
    };
  }

  #add(given: string, place: Place, entry: JsonObject): string {
    const name = this.#nameOf(given, place);
    const same = [...this.#servers.keys()].find((other) => fold(other) === fold(name));
    if (same !== undefined)
      this.problems.push({ place, message: `has the same name as "${same}" (- and _ count as the same): rename one` });
    this.#servers.set(name, entry);
    return name;
  }

  /** Names become prefixes of tools, so only some characters can stand in them. */
  #nameOf(given: string, place: Place): string {
    const name = given
      .trim()
      .replaceAll(/[^A-Za-z0-9_-]+/g, '-')
      .replace(/^-+|-+$/g, '');
    if (!serverNamePattern.test(name))
      this.problems.push({ place, message: 'must be a name of 1 to 40 characters of [A-Za-z0-9_-]' });
    else if (name !== given)
      this.#notes.push(`${given}: is called ${name} now, because names become parts of tool names`);
    return name;
  }
}

/** Toolman's words for the folder of the project, which is the default here. */
function folderOf(workingDirectory: string | null | undefined): string | undefined {
  return ['project_root', 'project', '', '.', undefined, null].includes(workingDirectory)
    ? undefined
    : (workingDirectory ?? undefined);
}
