// A look at the processes of this machine. Linux only: it reads /proc.
import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of everything that a process has started, directly or not, and that has not ended. Zombies have ended. */
export function descendantsOf(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const each of allProcesses()) {
    const parent = parentOf(each);
    if (parent !== undefined) children.set(parent, [...(children.get(parent) ?? []), each]);
  }
  const found: number[] = [];
  for (let next = children.get(pid) ?? []; next.length > 0; next = next.flatMap((each) => children.get(each) ?? []))
    found.push(...next);
  return found;
}

/** Process ids of all processes whose command line contains a text. Give a server an argument of its own to find it when its parent is gone. */
export function processesWith(text: string): number[] {
  return allProcesses().filter(
    (pid) => pid !== process.pid && (read(pid, 'cmdline') ?? '').replaceAll('\0', ' ').includes(text) && isAlive(pid),
  );
}

/** True when a process runs; false when it has ended, though nobody may have collected it. */
export function isAlive(pid: number): boolean {
  return parentOf(pid) !== undefined;
}

/** Memory that a process holds, in bytes. */
export function residentBytes(pid: number): number {
  return memoryOf(pid, 'VmRSS');
}

/** The most memory that a process has held since it was started, in bytes. */
export function peakResidentBytes(pid: number): number {
  return memoryOf(pid, 'VmHWM');
}

function memoryOf(pid: number, member: string): number {
  const kibibytes = new RegExp(`^${member}:\\s+(\\d+) kB$`, 'm').exec(read(pid, 'status') ?? '')?.[1];
  if (kibibytes === undefined) throw new Error(`there is no process ${pid}`);
  return Number(kibibytes) * 1024;
}

/** Number of files, pipes and sockets that a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

function allProcesses(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** The parent of a process that has not ended. */
function parentOf(pid: number): number | undefined {
  // The name in parentheses may hold anything, parentheses too.
  const fields = /^\d+ \(.*\) (\S) (\d+)/s.exec(read(pid, 'stat') ?? '');
  return fields === null || fields[1] === 'Z' || fields[1] === 'X' ? undefined : Number(fields[2]);
}

function read(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}
