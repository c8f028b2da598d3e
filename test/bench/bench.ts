// What entries measure with: interleaved rounds of load on targets, and findings held against limits. Prints nothing.
import type { RunResult, Order } from './load/load.ts';
import type { Era, Work } from './load/caller.ts';
import { Child, compiled } from './process.ts';
import { paired, median } from './statistics.ts';
import type { Proxy, ProxyName, Running } from './targets/proxy.ts';

/** One thing measured in every round: `work` sent to `path` of `target`. */
export interface Case {
  name: string;
  target: Running;
  path: string;
  era: Era;
  work: Work;
  concurrency: number;
  calls: number;
}

/** One case in one round. CPU in µs per call: of the target itself, of its children, and of all of them. */
export interface Sample extends RunResult {
  round: number;
  case: string;
  rate: number;
  cpu: number;
  childCpu: number;
  allCpu: number;
  /** Share of one core that the load generator used: near 1, the rate is its own and not the target's. */
  loadBusy: number;
}

type Figure = 'cpu' | 'childCpu' | 'allCpu' | 'rate' | 'p50' | 'p99' | 'loadBusy';

/** All samples of one `measure`, by case. */
export class Samples {
  readonly all: Sample[] = [];

  /** One figure of a case, in the order of rounds. Throws for a case that was not measured. */
  of(name: string, figure: Figure): number[] {
    const values = this.all.filter((sample) => sample.case === name).map((sample) => sample[figure]);
    if (values.length === 0) throw new Error(`the case "${name}" was not measured`);
    return values;
  }

  median(name: string, figure: Figure): number {
    return median(this.of(name, figure));
  }

  /** The median over rounds of `a ÷ b`. */
  ratio(a: string, b: string, figure: Figure): number {
    return paired(this.of(a, figure), this.of(b, figure), (x, y) => x / y);
  }

  /** The median over rounds of `a − b`. */
  difference(a: string, b: string, figure: Figure): number {
    return paired(this.of(a, figure), this.of(b, figure), (x, y) => x - y);
  }
}

/** One line of the result. Without a limit it is there to be read, and cannot fail. */
export interface Finding {
  entry: string;
  name: string;
  value: number;
  unit: string;
  limit?: { most: number } | { least: number };
  detail?: string;
}

/** Whether a finding keeps its limit; undefined when it has none. A value that is not a number keeps none. */
export function keeps({ value, limit }: Finding): boolean | undefined {
  if (limit === undefined) return undefined;
  return 'most' in limit ? value <= limit.most : value >= limit.least;
}

export interface BenchOptions {
  rounds: number;
  quick: boolean;
  proxyName: ProxyName;
  proxy: Proxy;
  onFinding(finding: Finding): void;
}

export class Bench {
  readonly options: BenchOptions;
  /** Raw data so far, in the order it was measured; there even when the entry fails later. */
  readonly records: object[] = [];
  readonly #load = new Child(compiled('load/load.js'), [], false);

  constructor(options: BenchOptions) {
    this.options = options;
  }

  get proxy(): Proxy {
    return this.options.proxy;
  }

  /** `calls`, or a quarter of them with `--quick`. */
  calls(count: number): number {
    return this.options.quick ? Math.ceil(count / 4) : count;
  }

  record(data: object): void {
    this.records.push(data);
  }

  find(finding: Finding): void {
    this.options.onFinding(finding);
  }

  /**
   * Measures `cases` in rounds, each case once a round, in an order that turns from round to round, after one round to warm up that
   * is not kept. With `slices`, there are so many times more rounds with so many times fewer calls: what is compared is then measured
   * closer together, so that less of a neighbour's work falls on one of two. Throws at the first wrong answer: a fast wrong answer
   * is no figure.
   */
  async measure(cases: Case[], slices = 1): Promise<Samples> {
    const samples = new Samples();
    for (let round = 0; round <= this.options.rounds * slices; round++) {
      const turned = [...cases.slice(round % cases.length), ...cases.slice(0, round % cases.length)];
      for (const one of round % 2 === 0 ? turned : turned.reverse()) {
        const sample = await this.#sample({ ...one, calls: this.#callsOf(one, round, slices) }, round);
        if (round === 0) continue;
        samples.all.push(sample);
        this.record(sample);
      }
    }
    return samples;
  }

  /** The compiler needs as many calls to warm up with --quick, and in slices, as without. */
  #callsOf({ calls }: Case, round: number, slices: number): number {
    if (round === 0) return this.options.quick ? calls * 4 : calls;
    return Math.ceil(calls / slices);
  }

  async #sample(one: Case, round: number): Promise<Sample> {
    const { child, url } = one.target;
    const { era, concurrency, work, calls } = one;
    await this.#order({ order: 'open', url: url + one.path, era, concurrency });
    const before = await child.cpu();
    const result = await this.#order({ order: 'run', work, calls });
    const after = await child.cpu();
    await this.#order({ order: 'close' });
    if (result === undefined || result.wrong > 0) {
      throw child.failure(`"${one.name}": ${result?.wrong} wrong answers, the first: ${result?.complaints.join('; ')}`);
    }
    const cpu = (after.own - before.own) / calls;
    const childCpu = (after.children - before.children) / calls;
    return {
      ...result,
      round,
      case: one.name,
      rate: calls / result.seconds,
      cpu,
      childCpu,
      allCpu: cpu + childCpu,
      loadBusy: result.loadCpu / 1e6 / result.seconds,
    };
  }

  async #order(order: Order): Promise<RunResult | undefined> {
    const { result, error } = await this.#load.ask<{ result?: RunResult; error?: string }>(order);
    if (error !== undefined) throw new Error(error);
    return result;
  }
}
