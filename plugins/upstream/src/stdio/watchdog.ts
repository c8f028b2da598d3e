// Ends children when the proxy is gone and could not do it itself (kill -9, a crash). In normal operation it only keeps a list.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Log } from 'plugboard';

/**
 * Reads `+ GROUP` and `- GROUP` from its input. The input ends with the proxy, however that ended: then every group still listed gets
 * SIGTERM and, a second later, SIGKILL. A shell does it because it needs 1 MB where another Node would need 40.
 */
const script = `
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%% $group *} \${groups#* $group }" ;; esac ;;
  esac
done
[ "$groups" = ' ' ] && exit 0
for group in $groups; do kill -s TERM -- "-$group" 2>/dev/null; done
sleep 1
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
`;

/** One helper process per proxy, started with the first child. */
export class Watchdog {
  readonly #log: Log;
  readonly #groups = new Set<number>();
  #helper: ChildProcess | undefined;
  #stopped = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** The group must not outlive this process. */
  add(group: number): void {
    this.#groups.add(group);
    if (this.#helper === undefined) this.#start();
    else this.#helper.stdin?.write(`+ ${group}\n`);
  }

  /** The group is gone. */
  drop(group: number): void {
    if (this.#groups.delete(group)) this.#helper?.stdin?.write(`- ${group}\n`);
  }

  /** Ends the helper; resolves when it is gone. Groups still listed are ended by it. */
  stop(): Promise<void> {
    this.#stopped = true;
    const helper = this.#helper;
    if (helper === undefined || helper.exitCode !== null || helper.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      helper.ref();
      helper.once('exit', () => resolve());
      helper.stdin?.end();
    });
  }

  #start(): void {
    // Windows has no groups to end; there a killed proxy leaves children that ignore the end of their input.
    if (process.platform === 'win32' || this.#stopped) return;
    const helper = spawn('/bin/sh', ['-c', script, 'plugboard-watchdog'], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' },
    });
    this.#helper = helper;
    helper.stdin.on('error', () => {});
    helper.once('error', (error) => {
      this.#log.warn(
        `no watchdog: ${error.message}; servers that ignore the end of their input outlive a killed proxy`,
      );
    });
    helper.once('exit', () => {
      if (this.#helper === helper) this.#helper = undefined;
      if (!this.#stopped && this.#groups.size > 0 && helper.pid !== undefined) this.#start();
    });
    for (const group of this.#groups) helper.stdin.write(`+ ${group}\n`);
    // It must not keep the proxy alive.
    helper.unref();
    (helper.stdin as unknown as { unref(): void }).unref();
  }
}
