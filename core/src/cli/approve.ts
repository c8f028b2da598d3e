// `plugboard approve`: shows which tools have changed since they were approved, and approves what stands there now.
import path from 'node:path';
import { Approvals, canonical, digestOf } from '../approvals.ts';
import { loadConfig } from '../config.ts';
import { PlugboardError } from '../errors.ts';
import { LocalFiles } from '../local-files.ts';
import type { ObservedTools } from '../local-files.ts';
import { changeLockFile, lockFileOf, readLockFile } from '../lock-file.ts';
import type { LockFile } from '../lock-file.ts';
import { closest } from '../nearest.ts';
import type { Tool } from '../protocol/messages.ts';
import { ApprovedDefinitions } from './approved-definitions.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';

export interface ApproveOptions {
  readonly config?: string;
  readonly all?: boolean;
  readonly check?: boolean;
}

/** A tool of a server that differs from what was approved. */
interface Difference {
  readonly server: string;
  readonly tool: string;
  readonly why: 'changed' | 'new' | 'gone';
  /** Definitions as indented JSON; undefined where there is none, or it is not kept here. */
  readonly before: string | undefined;
  readonly after: string | undefined;
}

/** Approves the named servers (or all); without names, or with `check`, it shows what is held back. */
export async function approve(names: readonly string[], options: ApproveOptions, output: Console): Promise<number> {
  const config = await loadConfig(options.config, { tolerant: true });
  output.hide(config.secrets);
  if (config.file === undefined) throw new PlugboardError('CONFIG_NOT_FOUND', 'there is no configuration file');
  const observed = await new LocalFiles(config.file).readTools();
  if (observed === undefined)
    throw new PlugboardError(
      'NOT_RUNNING',
      `no proxy of ${config.file} has run yet, so it is not known what its servers offer`,
    );
  const named = options.all === true ? Object.keys(observed) : names.map((name) => known(name, observed));
  const chosen = options.check === true ? [] : named;
  const lockFile = lockFileOf(config.directory);
  const kept = new ApprovedDefinitions(config.directory);
  const shown = named.length > 0 ? named : Object.keys(observed);
  const lock = await readLockFile(lockFile);
  const differences = await compare(lock, observed, shown, kept, config.approval === 'required' || chosen.length > 0);
  if (chosen.length === 0) {
    const free = config.approval === 'required' ? [] : shown.filter((name) => lock.servers[name] === undefined);
    if (output.json) output.printJson({ differences, unapproved: free });
    else {
      await show(differences, output);
      output.note(summary(differences, free, shown));
    }
    return options.check === true && differences.some(({ why }) => why !== 'gone') ? exitCodes.error : exitCodes.ok;
  }
  await changeLockFile(lockFile, (before) => ({
    ...before,
    servers: { ...before.servers, ...approved(chosen, observed) },
  }));
  await kept.keep(chosen.flatMap((name) => observed[name] ?? []));
  if (output.json) output.printJson({ approved: chosen, differences });
  else {
    await show(differences, output);
    for (const name of chosen) {
      const fresh = differences.filter(({ server, why }) => server === name && why !== 'gone').length;
      const text = `${count(observed[name]?.length ?? 0)} approved`;
      output.print(`${name}: ${output.paint('green', text)}${fresh === 0 ? '' : `, ${fresh} of them new or changed`}`);
    }
    output.note(`written to ${path.relative(process.cwd(), lockFile)}: keep it with your configuration`);
  }
  return exitCodes.ok;
}

function known(name: string, observed: ObservedTools): string {
  if (observed[name] !== undefined) return name;
  const [nearest] = closest(name, Object.keys(observed));
  const hint = nearest === undefined ? '' : ` (nearest: ${nearest})`;
  throw new PlugboardError(
    'USAGE',
    `no server "${name}" has been seen${hint}; known: ${Object.keys(observed).join(', ')}`,
  );
}

function approved(names: readonly string[], observed: ObservedTools): LockFile['servers'] {
  return Object.fromEntries(
    names.map((name) => [
      name,
      { tools: Object.fromEntries((observed[name] ?? []).map((tool) => [tool.name, digestOf(tool)])) },
    ]),
  );
}

/** What differs from the approvals, server by server. `all`: also at servers of which nothing has been approved. */
async function compare(
  lock: LockFile,
  observed: ObservedTools,
  names: readonly string[],
  kept: ApprovedDefinitions,
  all: boolean,
): Promise<Difference[]> {
  const approvals = new Approvals(lock.servers, all);
  const differences: Difference[] = [];
  for (const server of names) {
    const tools = observed[server] ?? [];
    const digests = lock.servers[server]?.tools ?? {};
    for (const tool of tools) {
      const why = approvals.quarantine(server, tool);
      if (why === undefined) continue;
      const before = digests[tool.name] === undefined ? undefined : await kept.find(digests[tool.name] ?? '');
      differences.push({ server, tool: tool.name, why, before: before && indented(before), after: indented(tool) });
    }
    for (const gone of Object.keys(digests).filter((name) => !tools.some((tool) => tool.name === name)))
      differences.push({ server, tool: gone, why: 'gone', before: undefined, after: undefined });
  }
  return differences;
}

function indented(tool: Tool): string {
  return JSON.stringify(JSON.parse(canonical(tool)), undefined, 2);
}

async function show(differences: readonly Difference[], output: Console): Promise<void> {
  const { structuredPatch } = await import('diff');
  for (const { server, tool, why, before, after } of differences) {
    output.print(output.paint('bold', `${server}:${tool} ${why}`));
    if (why === 'changed' && before === undefined)
      output.print('  the approved definition is not kept on this machine; the present one:');
    if (after === undefined) continue;
    const patch = structuredPatch('approved', 'now', before ?? '', after, '', '', { context: 2 });
    for (const line of patch.hunks.flatMap(({ lines }) => lines)) {
      if (line.startsWith('\\')) continue;
      const style = line.startsWith('+') ? 'green' : line.startsWith('-') ? 'red' : 'dim';
      output.print(`  ${output.paint(style, line)}`);
    }
  }
}

/** `free`: servers of which nothing has been approved, so nothing of them is held back. */
function summary(differences: readonly Difference[], free: readonly string[], shown: readonly string[]): string {
  const held = differences.filter(({ why }) => why !== 'gone').length;
  const way = free.length === 1 ? `\`plugboard approve ${free[0]}\`` : '`plugboard approve SERVER`, or --all';
  if (held === 0 && free.length === shown.length)
    return shown.length === 0 ? 'no server offers a tool' : `nothing of ${free.join(', ')} is approved yet: ${way}`;
  const said =
    held === 0 ? 'every approved tool is as it was' : `${count(held)} held back: \`plugboard approve SERVER\``;
  return free.length === 0 ? said : `${said}; nothing of ${free.join(', ')} is approved yet`;
}

function count(tools: number): string {
  return `${tools} ${tools === 1 ? 'tool' : 'tools'}`;
}
