// In the worker: loads the plugin, applies it with an API whose calls cross by messages, and runs its hooks. Its servers: `worker-servers.ts`.
import { AsyncLocalStorage } from 'node:async_hooks';
import { getHeapStatistics } from 'node:v8';
import type { MessagePort } from 'node:worker_threads';
import { describeIssues } from '../config-problems.ts';
import type { Problem } from '../config-problems.ts';
import { hookNames } from '../hooks.ts';
import type { HookName, Step } from '../hooks.ts';
import { importPlugin } from '../loader.ts';
import type { Log, Plugin, PluginApi, Services, Stop } from '../plugin.ts';
import { isObject } from '../protocol/messages.ts';
import type { JsonObject } from '../protocol/messages.ts';
import * as z from '../z.ts';
import { Channel } from './channel.ts';
import { encodeError } from './crossing-errors.ts';
import { arrivedArguments, encodeAnswer } from './crossing-values.ts';
import type { Description, HookAnswer, TapNote, ToHost, ToWorker, Where } from './messages.ts';
import { WorkerServers } from './worker-servers.ts';

interface Tap {
  readonly hook: HookName;
  readonly step: Step;
  readonly run: (...args: unknown[]) => unknown;
}

type Places = Pick<PluginApi, 'directory' | 'reserved'>;

/** Lines that a plugin may log within a second; an endless loop that logs must not fill the proxy's memory. */
const linesPerSecond = 200;

/** The worker's end of the conversation. One plugin, applied once. */
export class WorkerSide {
  readonly #channel: Channel<ToHost, ToWorker>;
  readonly #servers: WorkerServers;
  /** What the plugin's code is doing, so that an error which nobody catches can be attributed. */
  readonly #where = new AsyncLocalStorage<Where>();
  readonly #abort = new AbortController();
  readonly #taps: Tap[] = [];
  #plugin: Plugin | undefined;
  #applied = false;
  #stop: Stop | undefined;

  constructor(port: MessagePort) {
    this.#channel = new Channel<ToHost, ToWorker>(port, (error) => this.#fault(error, false));
    this.#servers = new WorkerServers(this.#channel, this.#where);
  }

  listen(): void {
    process.on('unhandledRejection', (error) => this.#fault(error, false));
    // A plugin that catches such errors itself goes on.
    const fatal = () => process.listenerCount('uncaughtException') === 0;
    process.on('uncaughtExceptionMonitor', (error) => this.#fault(error, fatal()));
    const servers = this.#servers;
    this.#channel.serve({
      asks: {
        load: ({ key, file }) => this.#load(key, file),
        check: ({ options }) => this.#check(options),
        apply: ({ options, ...places }) => this.#apply(options, places),
        hook: ({ tap, args, request }, signal) => this.#hook(tap, args, request, signal),
        open: (body, signal) => servers.open(body, signal),
        close: ({ connection }) => servers.close(connection),
        stop: () => this.#end(),
        ping: () => {
          const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
          return { used: heap + external };
        },
      },
      tells: {
        send: (body) => servers.send(body),
        cancel: ({ call, reason }) => servers.cancel(call, reason),
        notify: ({ connection, method, params }) => servers.notify(connection, method, params),
        listen: ({ connection, filter }) => servers.listen(connection, filter),
      },
    });
  }

  async #load(key: string, file: string): Promise<Description> {
    const plugin = await importPlugin(key, file);
    this.#plugin = plugin;
    const { id, apiVersion, title, description, needs = [], wants = [], provides = [] } = plugin;
    const { exclusive = false, whenSwitchedOff = 'closed', options } = plugin;
    return {
      id,
      apiVersion,
      title,
      description,
      needs,
      wants,
      provides,
      exclusive,
      whenSwitchedOff,
      takesOptions: options !== undefined,
      schema: options === undefined ? undefined : jsonSchemaOf(options),
    };
  }

  #check(options: JsonObject): readonly Problem[] {
    const schema = this.#loaded().options;
    const checked = schema?.safeParse(options);
    return schema === undefined || checked?.error === undefined ? [] : describeIssues(schema, checked.error, []);
  }

  async #apply(options: JsonObject, places: Places): Promise<{ taps: readonly TapNote[] }> {
    const plugin = this.#loaded();
    const parsed: unknown = plugin.options === undefined ? {} : plugin.options.parse(options);
    const run = async () => plugin.apply(this.#api(plugin, places), parsed);
    const stop = await this.#where.run({ hook: 'apply', request: undefined }, run);
    if (typeof stop === 'function') this.#stop = stop;
    this.#applied = true;
    return { taps: this.#taps.map(({ hook, step }) => ({ hook, step })) };
  }

  async #hook(
    index: number,
    args: readonly unknown[],
    request: string | undefined,
    signal: AbortSignal,
  ): Promise<HookAnswer> {
    const tap = this.#taps[index];
    if (tap === undefined) throw new Error(`there is no tap ${index}`);
    const arrived = arrivedArguments(tap.hook, args, signal);
    const returned: unknown = await this.#where.run({ hook: tap.hook, request }, async () => tap.run(...arrived));
    return encodeAnswer(arrived[0], returned);
  }

  async #end(): Promise<void> {
    this.#abort.abort();
    await this.#where.run({ hook: 'stop', request: undefined }, async () => this.#stop?.());
  }

  #loaded(): Plugin {
    if (this.#plugin === undefined) throw new Error('the plugin is not loaded');
    return this.#plugin;
  }

  #fault(error: unknown, fatal: boolean): void {
    this.#channel.tell('fault', { error: encodeError(error), where: this.#where.getStore(), fatal });
  }

  #api(plugin: Plugin, places: Places): PluginApi {
    return {
      log: this.#log(),
      ...places,
      signal: this.#abort.signal,
      get board(): never {
        throw new Error('api.board does not cross to a worker: transports and management run in the proxy itself');
      },
      hooks: {
        on: (hook, run, step = 'normal') => {
          if (this.#applied) throw new Error(`hooks.on("${hook}") is possible only during apply`);
          if (!hookNames.includes(hook))
            throw new Error(`there is no hook "${hook}" (there are: ${hookNames.join(', ')})`);
          this.#taps.push({ hook, step, run: run as Tap['run'] });
        },
      },
      servers: { register: (definition) => this.#servers.register(definition, this.#abort.signal) },
      services: servicesOf(plugin),
    };
  }

  #log(): Log {
    let second = 0;
    let lines = 0;
    const write = (level: keyof Log) => (message: string, fields?: object) => {
      const now = Math.floor(Date.now() / 1000);
      if (now !== second) {
        if (lines > linesPerSecond) {
          const text = `${lines - linesPerSecond} lines were left out: a worker may log ${linesPerSecond} in a second`;
          this.#channel.tell('log', { level: 'warn', message: text, fields: undefined });
        }
        second = now;
        lines = 0;
      }
      lines += 1;
      if (lines <= linesPerSecond) this.#channel.tell('log', { level, message, fields });
    };
    return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
  }
}

/** Services are objects of other plugins in the proxy's own thread. */
function servicesOf(plugin: Plugin): Services {
  return {
    provide: (name) => {
      if (!plugin.provides?.includes(name)) throw new Error(`service "${name}" is not declared in provides`);
      if (name !== 'authentication') throw new Error(`service "${name}" cannot be provided from a worker`);
    },
    get: (name) => {
      throw new Error(`service "${name}" is not there: services do not cross to a worker`);
    },
    find: (name) => {
      if (!plugin.wants?.includes(name)) throw new Error(`service "${name}" is not declared in wants`);
      return undefined;
    },
  };
}

function jsonSchemaOf(schema: z.ZodType): JsonObject | undefined {
  try {
    const json: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    // As plain data: a schema may carry functions that cannot be copied.
    return isObject(json) ? (JSON.parse(JSON.stringify(json)) as JsonObject) : undefined;
  } catch {
    // A schema of another copy of zod, say; the options are checked all the same.
    return undefined;
  }
}
