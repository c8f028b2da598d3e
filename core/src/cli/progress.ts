// Progress while servers start: one line per server as it settles, and on a terminal a line of those that are awaited.
import type { BoardApi, ServerStatus } from '../board-api.ts';
import type { Console } from './console.ts';
import { oneLine } from './console.ts';

/** ms between two looks at the servers. */
const every = 50;

/** ms after which the rest is no longer awaited; it goes on starting all the same. */
const patience = 20_000;

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

/** Shows servers as they come up or fail. Resolves when all have settled, when patience ends, or when `stop` is aborted. */
export async function showServers(board: Pick<BoardApi, 'servers'>, output: Console, stop: AbortSignal): Promise<void> {
  const shown = new Set<string>();
  const line = new ProgressLine(output);
  const end = Date.now() + patience;
  let waiting: readonly ServerStatus[] = [];
  for (;;) {
    const servers = board.servers();
    waiting = servers.filter(({ state }) => state === 'starting');
    for (const server of servers) {
      if (server.state === 'starting' || shown.has(server.name)) continue;
      shown.add(server.name);
      line.clear();
      showServer(server, output);
    }
    if (waiting.length === 0 || stop.aborted || Date.now() >= end) break;
    line.show(`starting ${waiting.map(({ name }) => name).join(', ')}`);
    await pause(every, stop);
  }
  line.clear();
  if (output.json || stop.aborted) return;
  if (shown.size === 0 && waiting.length === 0)
    output.print('no servers: add `mcpServers`, or a plugin such as filesystem or memory');
  for (const { name } of waiting)
    output.print(`  ${output.paint('yellow', '…')} ${name}: still starting; clients are told when it is up`);
}

function showServer(server: ServerStatus, output: Console): void {
  if (output.json) {
    output.printJson({ event: 'server', server }, 0);
    return;
  }
  const counts = [count(server.tools, 'tool'), count(server.resources, 'resource'), count(server.prompts, 'prompt')];
  const text =
    server.state === 'ready'
      ? counts.filter((each) => each !== undefined).join(', ') || 'no tools'
      : `${server.state}: ${oneLine(server.reason ?? 'no reason given')}`;
  output.print(
    `  ${server.state === 'ready' ? output.paint('green', '✔') : output.paint('red', '✘')} ${server.name}: ${text}`,
  );
}

function count(number: number, noun: string): string | undefined {
  return number === 0 ? undefined : `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    stop.addEventListener('abort', done, { once: true });
  });
}

/** One line on stderr that is written over; nothing at all when nobody watches. */
class ProgressLine {
  readonly #on: boolean;
  #drawn = false;
  #frame = 0;

  constructor(output: Console) {
    this.#on = output.animated;
  }

  show(text: string): void {
    if (!this.#on) return;
    this.#frame = (this.#frame + 1) % frames.length;
    const width = Math.max(20, (process.stderr.columns ?? 80) - 4);
    process.stderr.write(`\r\u001b[K${frames[this.#frame]} ${oneLine(text).slice(0, width)}`);
    this.#drawn = true;
  }

  clear(): void {
    if (this.#drawn) process.stderr.write('\r\u001b[K');
    this.#drawn = false;
  }
}
