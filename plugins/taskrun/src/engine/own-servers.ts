// Servers that only one task has: made of what its object says, registered and taken back with it.
import { isDeepStrictEqual } from 'node:util';
import type { JsonObject, PluginApi, ServerDefinition } from 'plugboard';
import type { Options } from '../options.ts';
import type { TaskSpec } from '../task.ts';
import { resolveReferences } from './references.ts';

/** What the service `upstream` offers. */
export interface UpstreamService {
  define(name: string, entry: JsonObject, options: { readonly owner?: string }): ServerDefinition;
}

export interface ServerMaker {
  readonly upstream: UpstreamService | undefined;
  readonly servers: PluginApi['servers'];
  readonly options: Pick<Options, 'allowedEnv' | 'allowCommands'>;
}

interface Registered {
  readonly written: JsonObject;
  readonly unregister: () => void;
}

/** The servers of one task. */
export class OwnServers {
  readonly #maker: ServerMaker;
  readonly #owner: string;
  readonly #registered = new Map<string, Registered>();
  #problems: readonly string[] = [];

  /** `owner`: id of the task's grant. */
  constructor(maker: ServerMaker, owner: string) {
    this.#maker = maker;
    this.#owner = owner;
  }

  /** Why some of them are not there; one sentence each, without secrets. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  get count(): number {
    return this.#registered.size;
  }

  /** Brings the registered servers in line with the object. What has not changed goes on running. */
  update({ servers }: Pick<TaskSpec, 'servers'>): void {
    const wanted = new Map(
      servers.flatMap(({ name, enabled, definition }) =>
        enabled && definition !== undefined ? [[name, definition] as const] : [],
      ),
    );
    for (const [name, { written, unregister }] of this.#registered) {
      if (isDeepStrictEqual(wanted.get(name), written)) continue;
      this.#registered.delete(name);
      unregister();
    }
    const problems: string[] = [];
    for (const [name, definition] of wanted) {
      if (this.#registered.has(name)) continue;
      try {
        const unregister = this.#maker.servers.register(this.#define(name, definition));
        this.#registered.set(name, { written: definition, unregister });
      } catch (error) {
        problems.push(`server "${name}": ${(error as Error).message}`);
      }
    }
    this.#problems = problems;
  }

  /** Takes all of them back. */
  clear(): void {
    for (const { unregister } of this.#registered.values()) unregister();
    this.#registered.clear();
  }

  #define(name: string, written: JsonObject): ServerDefinition {
    const { upstream, options } = this.#maker;
    if (upstream === undefined)
      throw new Error('servers of a task’s own need the plugin upstream: add `upstream: {}` to `plugins`');
    if (written['command'] !== undefined && !options.allowCommands)
      throw new Error('it is a program; the option allowCommands of plugin taskrun does not let tasks start any');
    const { definition, problems } = resolveReferences(written, options.allowedEnv);
    if (problems.length > 0) throw new Error(problems.join('; '));
    return upstream.define(name, definition, { owner: this.#owner });
  }
}
