// The contract of the built-in service `host`: the proxy's own configuration, plugins and log, for management. Types only; `host.ts` provides it.
import type { JsonObject } from './protocol/messages.ts';

/** A plugin as the management shows it. */
export interface PluginReport {
  /** As written under `plugins`. */
  readonly key: string;
  readonly id: string;
  readonly enabled: boolean;
  /** Undefined for a single file, and for a plugin that is switched off. */
  readonly version: string | undefined;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly needs: readonly string[];
  readonly provides: readonly string[];
  /** Options as written in the file: references stay references. */
  readonly options: JsonObject;
  /** JSON Schema of the options; undefined when the plugin is switched off or takes none. */
  readonly schema: JsonObject | undefined;
}

/** The configuration file. */
export interface ConfigurationReport {
  /** Absolute path; undefined when the proxy was started with a value: then it cannot be changed here. */
  readonly file: string | undefined;
  /** As written, known secrets masked. */
  readonly text: string;
  /** Changes with the text; a hash. */
  readonly version: string;
  readonly warnings: readonly string[];
}

/** A line of the log. */
export interface LogLine {
  /** Counts up, for resuming. */
  readonly number: number;
  /** ms since the epoch. */
  readonly time: number;
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly scope: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>> | undefined;
}

export interface LogQuery {
  /** Only lines that concern this server. */
  readonly server?: string | undefined;
  readonly scope?: string | undefined;
  /** Only lines behind this number. */
  readonly after?: number | undefined;
  /** The newest so many; at most 1000. */
  readonly limit?: number | undefined;
}

/** The service `host`. */
export interface HostControl {
  plugins(): PluginReport[];
  configuration(): Promise<ConfigurationReport>;
  /** Problems of a configuration text, one line each with its place; empty when it could be applied as far as can be told without applying it. */
  check(text: string): Promise<readonly string[]>;
  /**
   * Replaces the configuration: it becomes the running one and is then written to the file. Rejects with a `PlugboardError`, and the old
   * one stays in both places; with a `StoreConflict` when the file has another version than `expected`.
   */
  apply(text: string, expected?: string): Promise<ConfigurationReport>;
  /** Changes one plugin: new options (references allowed), or `false` to switch it off. Comments of the file stay. */
  setPlugin(key: string, options: JsonObject | false, expected?: string): Promise<ConfigurationReport>;
  /** The newest lines of the log, masked, oldest first; the last 2000 are kept. */
  log(query: LogQuery): readonly LogLine[];
}
