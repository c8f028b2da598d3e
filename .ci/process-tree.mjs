// Finding and ending a process together with its descendants, whatever process groups they made for themselves. Reads
// /proc: where there is none, the lists are empty.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** Parent, state and start time by process id. The start time tells a process from a later one with the same id. */
function readProcesses() {
  const processes = new Map();
  for (const name of existsSync('/proc') ? readdirSync('/proc') : []) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      processes.set(Number(name), { state: fields[0], parent: Number(fields[1]), start: fields[19] });
    } catch {
      // It ended while we were looking.
    }
  }
  return processes;
}

/** The process `pid` and everything below it, parents first. Empty when it is gone. */
export function listTree(pid) {
  const processes = readProcesses();
  const tree = [];
  const add = (id) => {
    const found = processes.get(id);
    if (found === undefined) return;
    tree.push({ pid: id, start: found.start });
    for (const [child, { parent }] of processes) if (parent === id) add(child);
  };
  add(pid);
  return tree;
}

/** Those of `tree` that still run; a zombie does not. */
export function survivors(tree) {
  const processes = readProcesses();
  const runs = (found, start) => found !== undefined && found.start === start && found.state !== 'Z';
  return tree.filter(({ pid, start }) => runs(processes.get(pid), start));
}

/** Sends `signal` to those of `tree` that still run. */
export function endTree(tree, signal) {
  for (const { pid } of survivors(tree)) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}
