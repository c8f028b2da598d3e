// The built-in service `host`: what management may know and change of the configuration, the plugins and the log. The contract: `host-control.ts`.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { withMember } from './config-edit.ts';
import { configFromText } from './config.ts';
import type { Config, ConfigOverrides } from './config.ts';
import { replaceFile } from './replace-file.ts';
import { PlugboardError } from './errors.ts';
import type { ConfigurationReport, HostControl, LogLine, LogQuery, PluginReport } from './host-control.ts';
import type { LoadedPlugin } from './loader.ts';
import { mask, minSecretLength } from './masking.ts';
import { isObject } from './protocol/messages.ts';
import type { JsonObject } from './protocol/messages.ts';
import { StoreConflict } from './store.ts';
import * as z from './z.ts';

/** A running plugin. */
export interface RunningPlugin {
  readonly key: string;
  readonly loaded: LoadedPlugin;
}

/** What the control needs of its host. */
export interface Controlled {
  readonly config: () => Config;
  readonly running: () => readonly RunningPlugin[];
  /** Rejects when a configuration cannot be applied, as far as that can be told without applying it. */
  readonly check: (config: Config) => Promise<void>;
  /** Runs a change when all earlier ones are over; it becomes another configuration by calling what it is given. */
  readonly change: <Result>(run: (become: (config: Config) => Promise<void>) => Promise<Result>) => Promise<Result>;
  /** The newest lines of the log, where one is kept. */
  readonly log: (query: LogQuery) => readonly LogLine[];
  /** What the command line said over the file. */
  readonly overrides: ConfigOverrides;
}

/** Provides the service. Changes are made one after the other. */
export class Control implements HostControl {
  readonly #host: Controlled;

  constructor(host: Controlled) {
    this.#host = host;
  }

  plugins(): PluginReport[] {
    const { plugins } = this.#host.config();
    const running = this.#host.running();
    const written = this.#writtenPlugins();
    const off = Object.keys(written).filter((key) => written[key] === false);
    return [...plugins.map(({ key }) => key), ...off].map((key) =>
      reportOn(key, written[key], running.find((each) => each.key === key)?.loaded),
    );
  }

  async configuration(): Promise<ConfigurationReport> {
    const { file, secrets, warnings } = this.#host.config();
    const text = file === undefined ? '' : await readFile(file, 'utf8');
    return { file, text: masked(text, secrets), version: versionOf(text), warnings };
  }

  async check(text: string): Promise<readonly string[]> {
    try {
      await this.#host.check(await configFromText(text, this.#file(), this.#host.overrides));
      return [];
    } catch (error) {
      if (error instanceof PlugboardError) return error.message.split('\n');
      throw error;
    }
  }

  apply(text: string, expected?: string): Promise<ConfigurationReport> {
    return this.#change(expected, (before) => {
      if (text.includes(mask) && !before.includes(mask)) {
        const hint = `the text holds ${mask}, which stands for a secret that was hidden: write a reference, \${env:NAME} or \${file:PATH}, in its place`;
        throw new PlugboardError('CONFIG_INVALID', hint);
      }
      return text;
    });
  }

  setPlugin(key: string, options: JsonObject | false, expected?: string): Promise<ConfigurationReport> {
    return this.#change(expected, (before, file) => withMember(before, file, ['plugins', key], options));
  }

  log(query: LogQuery): readonly LogLine[] {
    return this.#host.log(query);
  }

  #change(expected: string | undefined, edit: (before: string, file: string) => string): Promise<ConfigurationReport> {
    return this.#host.change(async (become) => {
      const file = this.#file();
      const before = await readFile(file, 'utf8');
      if (expected !== undefined && expected !== versionOf(before))
        throw new StoreConflict('configuration', expected, versionOf(before));
      const running = this.#host.config();
      const text = edit(before, file);
      await become(await configFromText(text, file, this.#host.overrides));
      try {
        await replaceFile(file, text);
      } catch (error) {
        // What runs and what is written must be the same.
        await become(running);
        throw error;
      }
      return await this.configuration();
    });
  }

  #file(): string {
    const { file } = this.#host.config();
    if (file !== undefined) return file;
    throw new PlugboardError(
      'CONFIG_NOT_FOUND',
      'this proxy was started without a configuration file, so there is none to change',
    );
  }

  #writtenPlugins(): JsonObject {
    const { written } = this.#host.config();
    return isObject(written) && isObject(written['plugins']) ? written['plugins'] : {};
  }
}

function reportOn(key: string, options: unknown, loaded: LoadedPlugin | undefined): PluginReport {
  const plugin = loaded?.plugin;
  const schema = plugin?.options === undefined ? undefined : jsonSchemaOf(plugin.options);
  return {
    key,
    id: plugin?.id ?? key,
    enabled: plugin !== undefined,
    version: loaded?.version,
    title: plugin?.title,
    description: plugin?.description,
    needs: plugin?.needs ?? [],
    provides: plugin?.provides ?? [],
    options: isObject(options) ? options : {},
    schema,
  };
}

function jsonSchemaOf(schema: z.ZodType): JsonObject | undefined {
  try {
    const json: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    return isObject(json) ? json : undefined;
  } catch {
    // A schema of another copy of zod, say; the options are checked all the same.
    return undefined;
  }
}

function masked(text: string, secrets: ReadonlySet<string>): string {
  return [...secrets]
    .filter((secret) => secret.length >= minSecretLength)
    .sort((a, b) => b.length - a.length)
    .reduce((shown, secret) => shown.replaceAll(secret, mask), text);
}

function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
