// `npm run bench`: runs the entries, prints what was found, keeps the raw data. Never part of the tests.
import { parseArgs } from 'node:util';
import { Bench, type Finding, keeps } from './bench.ts';
import { type Entry, entries } from './entries/index.ts';
import { stopAll } from './process.ts';
import { lineOf, tableOf, warningOf, writeRaw } from './report.ts';
import { proxies, type Proxy, type ProxyName } from './targets/proxy.ts';

const usage = `npm run bench -- [options]
  --only NAME    only this entry (may be repeated): ${entries.map((entry) => entry.name).join(', ')}
  --rounds N     rounds that are kept of each case (default 9)
  --quick        3 rounds, a quarter of the calls: a look, not a verdict
  --proxy NAME   measure another proxy in place of plugboard: ${Object.keys(proxies).join(', ')}
  --json         the findings as JSON on stdout, everything else on stderr
Exits with 1 when a limit is not kept or an entry fails, with 2 when the options are wrong.`;

interface Settings {
  chosen: Entry[];
  rounds: number;
  quick: boolean;
  json: boolean;
  proxyName: ProxyName;
}

function readSettings(): Settings {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      proxy: { type: 'string', default: 'plugboard' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit();
  }
  const unknown = (values.only ?? []).filter((name) => !entries.some((entry) => entry.name === name));
  if (unknown.length > 0) throw new Error(`--only: no entry named ${unknown.join(', ')}`);
  if (!Object.hasOwn(proxies, values.proxy)) throw new Error(`--proxy: no proxy named ${values.proxy}`);
  const rounds = Number(values.rounds ?? (values.quick ? 3 : 9));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds: a positive integer, not ${values.rounds}`);
  const chosen = entries.filter((entry) => values.only?.includes(entry.name) ?? true);
  return { chosen, rounds, quick: values.quick, json: values.json, proxyName: values.proxy as ProxyName };
}

async function run({ chosen, rounds, quick, json, proxyName }: Settings): Promise<boolean> {
  const findings: Finding[] = [];
  const raw: Record<string, object[]> = {};
  const failures: string[] = [];
  const say = (line: string): void => (json ? console.error(line) : console.log(line));
  const proxy: Proxy = proxies[proxyName];
  const warning = warningOf();
  if (warning !== undefined) say(warning);
  for (const entry of chosen) {
    say(`\n${entry.name}: ${entry.about}`);
    if (entry.needs !== undefined && !proxy.features.includes(entry.needs)) {
      say(`· left out: ${proxyName} has no ${entry.needs}`);
      continue;
    }
    const onFinding = (finding: Finding): void => {
      findings.push(finding);
      say(lineOf(finding));
    };
    const bench = new Bench({ rounds, quick, proxyName, proxy, onFinding });
    raw[entry.name] = bench.records;
    try {
      await entry.measure(bench);
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      failures.push(`${entry.name}: ${text}`);
      say(`✘ ${entry.name}  ${text}`);
    } finally {
      // Each entry starts from fresh processes: what one left behind in a heap is not the next one's cost.
      await stopAll();
    }
  }
  const kept = findings.every((finding) => keeps(finding) !== false) && failures.length === 0;
  const file = writeRaw({ proxy: proxyName, rounds, quick, kept, failures, findings, raw });
  say(`\n${tableOf(findings)}`);
  for (const failure of failures) say(`✘ ${failure.split('\n', 1)[0]}`);
  say(`\n${kept ? '✔ every limit kept' : '✘ not every limit kept'}; raw data in ${file}`);
  if (json) console.log(JSON.stringify({ proxy: proxyName, kept, failures, findings, file }, undefined, 2));
  return kept;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void stopAll().then(() => process.exit(130)));
}
let settings: Settings;
try {
  settings = readSettings();
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  process.exit(2);
}
process.exitCode = (await run(settings)) ? 0 : 1;
