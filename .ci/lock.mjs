// One bootstrap at a time: a lock directory with the owner's process id in it, taken over when that process is gone.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** A takeover lasts no longer than this (ms) unless its process died in the middle of it. */
const longestTakeover = 10_000;

// The same process id may belong to another process by now; on Linux its start time (field 22 of stat) tells them
// apart.
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function isAlive({ pid, start }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return start === undefined || startOf(pid) === start;
}

function readOwner(lock) {
  try {
    return JSON.parse(readFileSync(path.join(lock, 'owner.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function writeOwner(folder) {
  const temporary = path.join(folder, `owner.${process.pid}`);
  writeFileSync(temporary, JSON.stringify({ pid: process.pid, start: startOf(process.pid) }));
  renameSync(temporary, path.join(folder, 'owner.json'));
}

/** Runs `action`; false when it failed with one of the expected codes. */
function attempt(expected, action) {
  try {
    action();
    return true;
  } catch (error) {
    if (!expected.includes(error.code)) throw error;
    return false;
  }
}

// A lock appears and disappears by rename, so nobody ever sees one without its owner.
function tryMake(lock) {
  const folder = mkdtempSync(`${lock}-`);
  writeOwner(folder);
  const made = attempt(['EEXIST', 'ENOTEMPTY', 'EPERM'], () => renameSync(folder, lock));
  if (!made) rmSync(folder, { recursive: true });
  return made;
}

function release(lock) {
  const folder = mkdtempSync(`${lock}-`);
  attempt(['ENOENT'], () => renameSync(lock, path.join(folder, 'released')));
  rmSync(folder, { recursive: true, force: true });
}

function isStale(lock) {
  const owner = readOwner(lock);
  return owner === undefined || !isAlive(owner);
}

// Removing a stale lock to make a new one would let a second waiter remove the new one. So a stale lock stays where it
// is, and whoever makes the folder `takeover` in it, and then still finds it stale, becomes its owner.
function tryTakeOver(lock) {
  const takeover = path.join(lock, 'takeover');
  const removeTakeover = () => attempt(['ENOENT'], () => rmdirSync(takeover));
  if (!attempt(['EEXIST', 'ENOENT'], () => mkdirSync(takeover))) {
    const since = statSync(takeover, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - since > longestTakeover) removeTakeover();
    return false;
  }
  const free = isStale(lock);
  if (free) writeOwner(lock);
  removeTakeover();
  return free;
}

const tryAcquire = (lock) => tryMake(lock) || (isStale(lock) && tryTakeOver(lock));

/**
 * Runs `work` while holding the lock directory `lock`, after waiting for any live owner; an interrupted process
 * releases it too.
 * @throws what `work` throws
 */
export async function withLock(lock, work) {
  mkdirSync(path.dirname(lock), { recursive: true });
  let told = false;
  while (!tryAcquire(lock)) {
    if (!told) console.error(`plugboard: waiting for process ${readOwner(lock)?.pid}, which installs or builds here`);
    told = true;
    await wait(200);
  }
  const releaseOnExit = () => release(lock);
  process.once('exit', releaseOnExit);
  try {
    return await work();
  } finally {
    process.removeListener('exit', releaseOnExit);
    release(lock);
  }
}
