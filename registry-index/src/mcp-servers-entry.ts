// From a server of the catalogue to the entry of `mcpServers` that starts it. Secrets never appear: they are written as references.
import { environmentName, exactVersion } from './server-entry.ts';
import type { RemoteStart, ServerEntry, StdioStart } from './server-entry.ts';
import type { Argument, NamedInput, Variable } from './input.ts';

/** What a person chose. */
export interface StartChoice {
  /** Which way to start it: an index into `start`. Default: the first. */
  readonly start?: number;
  /** Values by name of the input (an argument's flag without its dashes). Secrets are not taken. */
  readonly values?: Readonly<Record<string, string | readonly string[]>>;
  /** Names of optional secrets that shall be used, too. */
  readonly include?: readonly string[];
  /** Another version of the package; `latest` for the newest. */
  readonly version?: string;
}

/** Something that has to be in the environment of the proxy. */
export interface EnvironmentNeed {
  readonly name: string;
  readonly description: string | undefined;
}

/** An entry of `mcpServers` and what it needs. */
export interface StartedServer {
  readonly entry: {
    readonly type: 'stdio' | 'http' | 'sse';
    readonly title: string;
    readonly command?: string;
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly url?: string;
    readonly headers?: Readonly<Record<string, string>>;
  };
  /** Secrets that the entry refers to as `${env:NAME}`. */
  readonly secrets: readonly EnvironmentNeed[];
  /** Other values that it refers to in the same way, because they are required and were not given. */
  readonly settings: readonly EnvironmentNeed[];
  /** Secrets that the server would also take; name them in `include`. */
  readonly optional: readonly EnvironmentNeed[];
}

/** A choice that does not fit the entry. */
export class ChoiceError extends Error {
  override readonly name = 'ChoiceError';
}

/** Makes an entry of `mcpServers`. Throws {@link ChoiceError} for a start, value or name that the entry does not have, and for an entry with a reference in it. */
export function toMcpServersEntry(server: ServerEntry, choice: StartChoice = {}): StartedServer {
  const start = server.start[choice.start ?? 0];
  if (start === undefined)
    throw new ChoiceError(
      `server "${server.id}" has ${server.start.length} ways to start, none with number ${choice.start}`,
    );
  // Entries are checked when they are read; this one may not have been.
  if (JSON.stringify([server.title, start]).includes('${'))
    throw new ChoiceError(
      `server "${server.id}": its entry contains "\${", which a configuration would read as a reference`,
    );
  const filler = new Filler(server.id, choice);
  const entry =
    start.type === 'stdio'
      ? { type: start.type, title: server.title, ...programOf(start, filler, choice.version) }
      : { type: start.type, title: server.title, ...addressOf(start, filler) };
  filler.checkUsed();
  return { entry, secrets: filler.secrets, settings: filler.settings, optional: filler.optional };
}

/** An input of any kind. */
type Input = Pick<NamedInput, 'description' | 'default' | 'choices' | 'format' | 'value' | 'variables'> & {
  readonly secret?: boolean | undefined;
  readonly required?: boolean | undefined;
};

/** Finds the text of each input, and keeps account of what it needs. */
class Filler {
  readonly secrets: EnvironmentNeed[] = [];
  readonly settings: EnvironmentNeed[] = [];
  readonly optional: EnvironmentNeed[] = [];
  readonly #server: string;
  readonly #values: Map<string, string | readonly string[]>;
  readonly #include: Set<string>;
  readonly #known = new Set<string>();

  constructor(server: string, { values = {}, include = [] }: StartChoice) {
    this.#server = server;
    this.#values = new Map(Object.entries(values));
    this.#include = new Set(include);
  }

  /** The texts of an input: none when it is left out, several when it is repeated. */
  texts(name: string, input: Input): string[] {
    if (input.value !== undefined) return this.#fixed(input.value, input);
    this.#known.add(name);
    const environment = environmentName(name);
    if (input.secret === true) return this.#secret(name, environment, input);
    const given = this.#values.get(name);
    if (given !== undefined) return [given].flat().map((text) => this.#check(name, text, input));
    if (input.required !== true) return [];
    if (input.default !== undefined) return [input.default];
    return [this.#refer(this.settings, environment, input.description)];
  }

  /** A template with its variables filled in; undefined when an optional one is missing. */
  fill(template: string, variables: Readonly<Record<string, Variable>> | undefined): string | undefined {
    let complete = true;
    const filled = template.replaceAll(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (braces, name: string) => {
      const variable = variables?.[name];
      if (variable === undefined) return braces;
      const [text = variable.default] = this.texts(name, variable);
      complete &&= text !== undefined;
      return text ?? '';
    });
    return complete ? filled : undefined;
  }

  /** Refuses values and names that belong to no input: they would be lost in silence. */
  checkUsed(): void {
    const named = [...this.#values.keys(), ...this.#include];
    const unknown = named.find(
      (name) => !this.#known.has(name) && ![...this.#known].some((each) => environmentName(each) === name),
    );
    if (unknown === undefined) return;
    const known = [...this.#known].join(', ') || 'it takes none';
    throw new ChoiceError(`server "${this.#server}" takes nothing called "${unknown}" (${known})`);
  }

  #fixed(value: string, { variables }: Input): string[] {
    const filled = this.fill(value, variables);
    return filled === undefined ? [] : [filled];
  }

  #secret(name: string, environment: string, { required, description }: Input): string[] {
    if (this.#values.has(name))
      throw new ChoiceError(
        `server "${this.#server}": ${name} is a secret: set ${environment} in the environment of the proxy instead`,
      );
    if (required === true || this.#include.has(name) || this.#include.has(environment))
      return [this.#refer(this.secrets, environment, description)];
    add(this.optional, environment, description);
    return [];
  }

  #refer(needs: EnvironmentNeed[], name: string, description: string | undefined): string {
    add(needs, name, description);
    return `\${env:${name}}`;
  }

  /** What a person gives is text, not a reference: `$${` stands for `${` in a configuration. */
  #check(name: string, text: string, { choices }: Input): string {
    if (choices !== undefined && !choices.includes(text))
      throw new ChoiceError(`server "${this.#server}": ${name} must be one of: ${choices.join(', ')}`);
    return text.startsWith('${env:') ? text : text.replaceAll('${', () => '$${');
  }
}

function add(needs: EnvironmentNeed[], name: string, description: string | undefined): void {
  if (!needs.some((need) => need.name === name)) needs.push({ name, description });
}

function programOf(start: StdioStart, filler: Filler, wanted: string | undefined) {
  const environment: Record<string, string> = {};
  for (const each of start.env) {
    const [text] = filler.texts(each.name, each);
    if (text !== undefined) environment[each.name] = text;
  }
  const args = argumentTexts(start.args, filler);
  const runtime = argumentTexts(start.runtimeArgs ?? [], filler);
  const version = wanted ?? start.version;
  const names = Object.keys(environment);
  const env = names.length === 0 ? {} : { env: environment };
  return { ...commandOf(start, version, { args, runtime, names }), ...env };
}

interface Parts {
  readonly args: readonly string[];
  readonly runtime: readonly string[];
  /** Names of environment variables: a container sees only those that it is told to. */
  readonly names: readonly string[];
}

function commandOf(start: StdioStart, version: string | undefined, { args, runtime, names }: Parts) {
  const { runner, package: name, executable } = start;
  if (runner === 'binary') return { command: executable ?? name, args };
  if (runner === 'npx') {
    const wanted = version === undefined ? name : `${name}@${version}`;
    return {
      command: 'npx',
      args: ['-y', ...(executable === undefined ? [wanted] : ['-p', wanted, executable]), ...args],
    };
  }
  if (runner === 'uvx') {
    const exact = version !== undefined && exactVersion.test(version);
    const wanted = version === undefined ? name : `${name}${exact ? '==' : '@'}${version}`;
    const from = exact || executable !== undefined;
    return { command: 'uvx', args: [...(from ? ['--from', wanted, executable ?? name] : [wanted]), ...args] };
  }
  const image = version === undefined || name.includes('@') ? name : `${name}:${version}`;
  const passed = names.flatMap((each) => ['-e', each]);
  return { command: 'docker', args: ['run', '-i', '--rm', ...runtime, ...passed, image, ...args] };
}

function argumentTexts(given: readonly Argument[], filler: Filler): string[] {
  return given.flatMap((each) => {
    if (typeof each === 'string') return [each];
    if (!('flag' in each)) return filler.texts(each.name, each);
    const texts = filler.texts(each.flag.replace(/^-+/, ''), each);
    if (each.format === 'boolean') return texts.some((text) => text === 'true') ? [each.flag] : [];
    return texts.flatMap((text) => [each.flag, text]);
  });
}

function addressOf(start: RemoteStart, filler: Filler) {
  const headers: Record<string, string> = {};
  for (const each of start.headers) {
    const [text] = filler.texts(each.name, each);
    if (text !== undefined) headers[each.name] = text;
  }
  const url = filler.fill(start.url, start.variables);
  if (url === undefined) throw new ChoiceError(`the address ${start.url} has a part without a value`);
  return { url, ...(Object.keys(headers).length === 0 ? {} : { headers }) };
}
