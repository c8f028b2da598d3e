// The load generator: a process of its own that opens callers, drives them on order and times them.
import { quantile } from '../statistics.ts';
import { Caller, type Era, type Work } from './caller.ts';

/** `open` connects `concurrency` callers, `run` spreads `calls` over them, `close` ends their sessions. */
export type Order =
  | { order: 'open'; url: string; era: Era; concurrency: number }
  | { order: 'run'; work: Work; calls: number }
  | { order: 'close' };

/** What one `run` gave. Times in ms, CPU in µs; `wrong` counts bad answers and `complaints` shows the first of them. */
export interface RunResult {
  calls: number;
  wrong: number;
  complaints: string[];
  seconds: number;
  p50: number;
  p90: number;
  p99: number;
  loadCpu: number;
}

let callers: Caller[] = [];

async function open(url: string, era: Era, concurrency: number): Promise<void> {
  for (let n = 0; n < concurrency; n++) callers.push(await Caller.connect(url, era));
}

async function run(work: Work, calls: number): Promise<RunResult> {
  const latencies = new Float64Array(calls);
  const complaints: string[] = [];
  let wrong = 0;
  let next = 0;
  const drive = async (caller: Caller): Promise<void> => {
    while (next < calls) {
      const call = next++;
      const started = performance.now();
      const complaint = await caller.work(work).catch((error: unknown) => String(error));
      latencies[call] = performance.now() - started;
      if (complaint === undefined) continue;
      wrong++;
      if (complaints.length < 3) complaints.push(complaint);
      // A dead connection answers every call at once: do not spin through the rest.
      if (wrong > 100) next = calls;
    }
  };
  const cpu = process.cpuUsage();
  const started = performance.now();
  await Promise.all(callers.map(drive));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const at = (q: number): number => quantile(latencies, q);
  return { calls, wrong, complaints, seconds, p50: at(0.5), p90: at(0.9), p99: at(0.99), loadCpu: user + system };
}

async function close(): Promise<void> {
  const open = callers;
  callers = [];
  for (const caller of open) await caller.close();
}

function obey(order: Order): Promise<RunResult | void> {
  if (order.order === 'open') return open(order.url, order.era, order.concurrency);
  if (order.order === 'run') return run(order.work, order.calls);
  return close();
}

process.on('message', (order: Order) => {
  obey(order).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
