// `plugboard up`: starts the proxy, says where it is, follows the configuration file, and stops everything at a signal.
import { setFlagsFromString } from 'node:v8';
import { isEntryOf, loadConfig } from '../config.ts';
import type { Config, ConfigOverrides } from '../config.ts';
import { watchConfig } from '../config-watch.ts';
import type { ConfigWatch } from '../config-watch.ts';
import { Host } from '../host.ts';
import { createLog } from '../log.ts';
import type { Logs } from '../log.ts';
import type { Log } from '../plugin.ts';
import { version } from '../version.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { showServers } from './progress.ts';
import { printSnippets } from './snippets.ts';
import { StopSignals } from './stop-signals.ts';
import { Traces } from './traces.ts';

export interface UpOptions {
  readonly config?: string;
  readonly port?: number;
  readonly stdio?: boolean;
}

/** The part of the service `http` that is read here. */
interface HttpAddress {
  address(): { readonly url: string };
}

/** ms after the start at which watching the file begins: until then the first clients are served. */
const watchAfter = 300;

/** ms that stopping may take; plugins drain within their own limits, which are shorter. */
const stopLimit = 30_000;

/** ms that a process whose work is done may hang on what a plugin left open. */
const lingerLimit = 3000;

/** Runs the proxy until a signal, or until the client of `--stdio` has gone. */
export async function up(options: UpOptions, output: Console): Promise<number> {
  keepCallsYoung();
  if (options.stdio === true) output.leaveStdout();
  const overrides: ConfigOverrides = { port: options.port, stdio: options.stdio };
  const config = await loadConfig(options.config, overrides);
  output.hide(config.secrets);
  const stdio = config.plugins.some((entry) => isEntryOf(entry, 'stdio'));
  if (stdio) output.leaveStdout();
  const logs = createLog({ ...config.log, secrets: config.secrets, destination: output.logDestination });
  const log = logs.scope('core');
  const stopping = new Stopping(log);
  for (const warning of config.warnings) log.warn(warning);
  const traces = config.file === undefined ? undefined : new Traces(config.file);
  try {
    const host = await Host.start(config, logs, { overrides, serversChanged: () => traces?.serversChanged() });
    stopping.blame = (stack) => host.pluginIn(stack);
    traces?.follow(host.board, () => ({ url: urlOf(host), uses: host.pluginFiles() }));
    const told = traces?.applied();
    const following = followConfig({ config, overrides, host, logs, log, output, stopping, traces });
    if (stdio) stopping.whenInputEnds();
    await announce({ host, options, config, output, stopping, told });
    await stopping.requested;
    await (await following)?.close();
    await traces?.end();
    await stopWithin(host, log);
  } finally {
    stopping.end();
    await logs.flush();
    setTimeout(() => process.exit(), lingerLimit).unref();
  }
  return exitCodes.ok;
}

function urlOf(host: Host): string | undefined {
  return host.service<HttpAddress>('http')?.address().url;
}

interface Announced {
  readonly host: Host;
  readonly options: UpOptions;
  readonly config: Config;
  readonly output: Console;
  readonly stopping: Stopping;
  /** The other commands know of this proxy. */
  readonly told: Promise<void> | undefined;
}

/** Says where the proxy listens at once, which servers are up as they come up, and then what to do with it. */
async function announce({ host, options, config, output, stopping, told }: Announced): Promise<void> {
  const url = urlOf(host);
  if (output.json) output.printJson({ event: 'listening', version, url, config: config.file }, 0);
  else {
    output.print(`${output.paint('bold', `plugboard ${version}`)}, configured by ${config.file}`);
    output.print(
      url === undefined ? 'serving its client over stdin and stdout' : `listening on ${output.paint('cyan', url)}`,
    );
  }
  await showServers(host.board, output, stopping.signal);
  await told;
  if (stopping.signal.aborted) return;
  if (output.json) output.printJson({ event: 'ready', servers: host.board.servers() }, 0);
  else if (url !== undefined) await printSnippets({ url, board: host.board, config, options }, output);
}

interface Following {
  readonly config: Config;
  readonly overrides: ConfigOverrides;
  readonly host: Host;
  readonly logs: Logs;
  readonly log: Log;
  readonly output: Console;
  readonly stopping: Stopping;
  readonly traces: Traces | undefined;
}

/** Applies the file again whenever it changes. A broken one is refused, and the running one stays. */
async function followConfig({
  config,
  overrides,
  host,
  logs,
  log,
  output,
  stopping,
  traces,
}: Following): Promise<ConfigWatch | undefined> {
  await stopping.pause(watchAfter);
  if (stopping.signal.aborted) return undefined;
  const apply = async () => {
    let next = config;
    await host.reload(async () => {
      await traces?.looksAt();
      next = await loadConfig(config.file, overrides);
      output.hide(next.secrets);
      logs.setSecrets(next.secrets);
      return next;
    });
    logs.setLevel(next.log.level);
    watch?.follow(next);
    log.info('the changed configuration is applied', { file: next.file });
    await traces?.applied();
    for (const warning of next.warnings) log.warn(warning);
  };
  const refuse = (error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    void traces?.refused(why);
    log.error(`the changed configuration is refused, the running one stays: ${why}`);
  };
  const watch = await watchConfig(config, apply, refuse).catch((error: unknown) => {
    log.warn(`changes of the configuration are not noticed: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  return watch;
}

async function stopWithin(host: Host, log: Log): Promise<void> {
  const limit = setTimeout(() => {
    log.error(`stopping took more than ${stopLimit} ms and was given up`);
    process.exit(exitCodes.error);
  }, stopLimit);
  await host.stop();
  clearTimeout(limit);
}

/** Why and when the proxy stops: signals, the end of stdin. Also what nobody caught. */
class Stopping {
  readonly #controller = new AbortController();
  readonly #log: Log;
  /** Keeps the process alive when no plugin does. */
  readonly #alive = setInterval(() => {}, 2 ** 30);
  readonly requested: Promise<void>;
  readonly #signals: StopSignals;
  /** Finds the plugin that a stack trace names. */
  blame: (stack: string) => string | undefined = () => undefined;
  readonly #onStray = (error: unknown) => {
    const plugin = error instanceof Error ? this.blame(error.stack ?? '') : undefined;
    const whose = plugin === undefined ? 'a plugin or of the proxy' : `plugin "${plugin}"`;
    this.#log.error(`nobody caught an error of ${whose}; the proxy goes on`, { error });
  };

  constructor(log: Log) {
    this.#log = log;
    this.requested = new Promise((resolve) => this.signal.addEventListener('abort', () => resolve(), { once: true }));
    // The end of stdin is no signal: a plugin may still send its own.
    this.#signals = new StopSignals(['SIGINT', 'SIGTERM', 'SIGHUP'], (name) => {
      this.#log.info(`${name}: stopping`);
      this.#controller.abort();
    });
    process.on('uncaughtException', this.#onStray);
    process.on('unhandledRejection', this.#onStray);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Stops when stdin ends: the client that started this process has gone. */
  whenInputEnds(): void {
    process.stdin.once('end', () => this.#controller.abort()).once('close', () => this.#controller.abort());
  }

  /** Resolves after `ms`, or as soon as the proxy is to stop. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      void this.requested.then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  end(): void {
    clearInterval(this.#alive);
    this.#signals.end();
  }
}

/**
 * Makes V8 allocate everything in young space. It notices that much of what a proxy allocates lives for longer than a moment, as calls
 * do, and puts some of their objects into old space at once: there these keep the rest of their call, long after its end.
 */
function keepCallsYoung(): void {
  setFlagsFromString('--no-allocation-site-pretenuring');
}
