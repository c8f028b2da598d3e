// The plugin contract: what an author writes and what a plugin is handed. Types and `definePlugin`; nothing runs here.
import type { z } from 'zod';
import type { BoardApi } from './board-api.ts';
import type { ServerDefinition } from './connection.ts';
import type { HookName, HookFunction, Step } from './hooks.ts';

/** The version of this contract. A plugin names the one it was written for. */
export const apiVersion = 1;

/** Marks plugin definitions across copies of this package; `instanceof` would fail when npm installs two. */
export const pluginBrand = Symbol.for('plugboard.plugin');

/** A log scoped to one plugin. Never pass secrets; known secret values are masked anyway. */
export interface Log {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

/** Services that plugins offer each other by name. */
export interface Services {
  /** Offers a service; the name must stand in the plugin's `provides`. */
  provide(name: string, service: unknown): void;
  /** A service by name; it must stand in the plugin's `needs`. The caller states the service's type. */
  get<Service>(name: string): Service;
  /** The same for a name in `wants`: undefined when no configured plugin provides it. */
  find<Service>(name: string): Service | undefined;
}

/** Everything a plugin is handed when it is applied. */
export interface PluginApi {
  readonly hooks: {
    /** Taps a hook. Equal steps run in configuration order. */
    on<Name extends HookName>(name: Name, run: HookFunction<Name>, step?: Step): void;
  };
  readonly servers: {
    /**
     * Registers a server, during `apply` or at any later time; it is removed when the plugin stops, or when the function is called that
     * is returned. A server with an `owner` is seen by that grant only, and hides a common server of the same name from it. Throws when
     * the name is taken.
     */
    register(server: ServerDefinition): () => void;
  };
  readonly services: Services;
  readonly log: Log;
  /** Aborted when the plugin is stopped. */
  readonly signal: AbortSignal;
  /** The proxy itself, for transports and management. */
  readonly board: BoardApi;
  /** The folder that relative paths of the configuration start from. */
  readonly directory: string;
  /**
   * Absolute paths of files and folders that are the proxy's own: the configuration and what stands beside it for the proxy (`.plugboard`,
   * `plugboard.lock`, `.npmrc`), plugins that are loaded by path, files that references read. A plugin that lets callers name files keeps
   * them off these, by the class `Reserved`: who can write there decides what the proxy runs. A plugin that has read this list is applied
   * again when another configuration changes it.
   */
  readonly reserved: readonly string[];
}

export type Stop = () => void | Promise<void>;

/** What `apply` returns: nothing, or a function that is called when the plugin stops. */
// biome-ignore lint/suspicious/noConfusingVoidType: a plugin may return nothing at all
export type Applied = void | Stop | undefined;

/** What a plugin's own check is told beside its options. */
export interface CheckContext {
  /** The folder that relative paths of the configuration start from. */
  readonly directory: string;
  /** As {@link PluginApi.reserved}. */
  readonly reserved: readonly string[];
  /** True when every caller needs a credential, as `board.protected` will say. */
  readonly protected: boolean;
}

/** None, one or several. */
type Problems = PluginProblem | readonly PluginProblem[];

/** Something outside the configuration that a plugin lacks. */
export interface PluginProblem {
  /** `failure`: it would not start, or be of no use. */
  readonly result: 'warning' | 'failure';
  readonly text: string;
  /** What to do now. */
  readonly advice: string;
}

/** A plugin as its author writes it. */
export interface PluginDefinition<Schema extends z.ZodType = z.ZodType> {
  /** kebab-case; configuration key, log scope, metric label, `error.plugin`. */
  readonly id: string;
  readonly apiVersion: number;
  readonly title?: string;
  readonly description?: string;
  /** Services that must be there before `apply`. `host` is always there: the proxy's own configuration, plugins and log. */
  readonly needs?: readonly string[];
  /** Services that are used when some configured plugin provides them; such a plugin is applied first. */
  readonly wants?: readonly string[];
  /** Services that `apply` provides. */
  readonly provides?: readonly string[];
  /**
   * True when two instances cannot run at once (a port, standard input): when its options change, the old instance is stopped before
   * the new one is applied. Sessions of an exclusive transport end with it.
   */
  readonly exclusive?: boolean;
  /**
   * What becomes of requests when the plugin keeps failing and is switched off: `closed` (default) refuses what it would have decided,
   * `open` goes on without it. Leave it closed for anything that protects.
   */
  readonly whenSwitchedOff?: 'closed' | 'open';
  /** Validates, documents and gives defaults. Undefined: the plugin takes no options. */
  readonly options?: Schema;
  /** For `plugboard doctor`: looks whether what the options name is there, in a process of its own. Starts, makes and changes nothing. */
  check?(options: z.output<Schema>, context: CheckContext): Problems | Promise<Problems>;
  /** Taps hooks, registers servers, provides services. May be asynchronous, within the start time limit. */
  apply(api: PluginApi, options: z.output<Schema>): Applied | Promise<Applied>;
}

/** A definition with its brand, as the host takes it. */
export type Plugin = PluginDefinition & { readonly [pluginBrand]: true };

/** Declares a plugin. Options are inferred from the schema; nothing runs until the host applies it. */
export function definePlugin<Schema extends z.ZodType = z.ZodType<Record<string, never>>>(
  definition: PluginDefinition<Schema>,
): Plugin {
  return Object.freeze({ ...(definition as unknown as PluginDefinition), [pluginBrand]: true as const });
}

/** True for what {@link definePlugin} returned, whichever copy of this package made it. */
export function isPlugin(value: unknown): value is Plugin {
  return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[pluginBrand] === true;
}
