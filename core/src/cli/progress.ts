// Progress while servers start: one line per server as it settles, and on a terminal a line of those that are awaited.
import type { BoardApi, ServerStatus } from '../board-api.ts';
import { oneLine } from '../plain-text.ts';
import type { Console } from './console.ts';
import { counted } from './counted.ts';

/** ms between two looks at the servers. */
const every = 50;

/** ms after which the rest is no longer awaited; it goes on starting all the same. */
const patience = 20_000;

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏';

/** Shows servers as they come up or fail. Resolves when all have settled, when patience ends, or when `stop` is aborted. */
export async function showServers(board: Pick<BoardApi, 'servers'>, output: Console, stop: AbortSignal): Promise<void> {
  const shown = new Set<string>();
  const end = Date.now() + patience;
  let waiting: readonly ServerStatus[] = [];
  for (let look = 0; ; look += 1) {
    const servers = board.servers();
    waiting = servers.filter(({ state }) => state === 'starting');
    for (const server of servers) {
      if (server.state === 'starting' || shown.has(server.name)) continue;
      shown.add(server.name);
      showServer(server, output);
    }
    if (waiting.length === 0 || stop.aborted || Date.now() >= end) break;
    output.progress(`${frames[look % frames.length]} starting ${waiting.map(({ name }) => name).join(', ')}`);
    await pause(every, stop);
  }
  output.progress(undefined);
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
  return number === 0 ? undefined : counted(number, noun);
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
