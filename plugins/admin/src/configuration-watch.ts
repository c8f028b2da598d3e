// Notices that another configuration has come into force, whoever changed it, and which plugins that concerns. Changing it is not its business.
import type { BoardApi, HostControl, Log, ManagementEvent } from 'plugboard';

/** ms between looks. A look compares two references. */
const interval = 500;

export class ConfigurationWatch {
  readonly #board: BoardApi;
  readonly #host: HostControl;
  readonly #publish: (event: ManagementEvent) => void;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  /** False while the proxy starts: until then nothing is a change. */
  #started: boolean;
  /** The board has another map of grants with every configuration. */
  #grants: unknown;
  #plugins: ReadonlyMap<string, { readonly enabled: boolean; readonly text: string }>;

  constructor(board: BoardApi, host: HostControl, publish: (event: ManagementEvent) => void, log: Log) {
    this.#board = board;
    this.#host = host;
    this.#publish = publish;
    this.#log = log;
    this.#grants = board.grants;
    this.#plugins = this.#read();
    this.#started = host.plugins().some(({ enabled }) => enabled);
    this.#timer = setInterval(() => this.look(), interval);
    this.#timer.unref();
  }

  /** The proxy has started: what there is now is what changes are compared with. */
  start(): void {
    this.#started = true;
    this.#grants = this.#board.grants;
    this.#plugins = this.#read();
  }

  /** Looks now: whoever has changed something does not want to wait. */
  look(): void {
    if (!this.#started || this.#board.grants === this.#grants) return;
    this.#grants = this.#board.grants;
    const before = this.#plugins;
    this.#plugins = this.#read();
    for (const key of new Set([...before.keys(), ...this.#plugins.keys()])) {
      const now = this.#plugins.get(key);
      if (now?.text === before.get(key)?.text) continue;
      this.#publish({ type: 'plugin.changed', subject: key, data: { enabled: now?.enabled ?? false } });
    }
    this.#host.configuration().then(
      ({ version }) => this.#publish({ type: 'configuration.applied', subject: 'configuration', data: { version } }),
      (error: unknown) => this.#log.warn('the configuration cannot be read', { error }),
    );
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #read(): Map<string, { enabled: boolean; text: string }> {
    const plugins = this.#host.plugins();
    return new Map(
      plugins.map(({ key, enabled, version, options }) => [
        key,
        { enabled, text: JSON.stringify([enabled, version, options]) },
      ]),
    );
  }
}
