// Writes the status of tasks into their objects: soon after a change, and then at most once a second each. What it says is in `status-patch.ts`.
import type { Log } from 'plugboard';
import type { Kind } from '../schema/kinds.ts';
import type { Task } from '../task.ts';
import { statusOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { statusPatch } from './status-patch.ts';
import type { Acceptance } from './status-patch.ts';
import { objectPath, taskId } from './task-object.ts';
import type { TaskObject } from './task-object.ts';

/** ms that changes are gathered for the first write, and at least between two writes. */
const gathering = 50;
const interval = 1000;
const longestDelay = 60_000;

interface Page {
  readonly kind: Kind;
  object: TaskObject;
  acceptance: Acceptance | undefined;
  task: Task | undefined;
  timer: NodeJS.Timeout | undefined;
  writtenAt: number;
  failures: number;
  /** Our state has changed since the last write. False: a write would only restore what somebody else has written over. */
  changed: boolean;
  /** Writes in a row that only restored something. */
  restored: number;
  /** Something has changed since the write that is under way began. */
  dirty: boolean;
  writing: Promise<void> | undefined;
}

export class StatusWriter {
  readonly #cluster: Cluster;
  readonly #log: Log;
  readonly #pages = new Map<string, Page>();
  /** Keys by the uid of their object. */
  readonly #keys = new Map<string, string>();
  #stopped = false;

  constructor(cluster: Cluster, log: Log) {
    this.#cluster = cluster;
    this.#log = log;
  }

  /** The object as the API server has it now. */
  saw(key: string, kind: Kind, object: TaskObject): void {
    const page = this.#pages.get(key);
    if (page?.object.metadata.uid === object.metadata.uid) {
      page.object = object;
      this.#schedule(page, Math.min(interval * 2 ** page.restored, longestDelay));
      return;
    }
    this.forget(key);
    const state = { acceptance: undefined, task: undefined, timer: undefined, writing: undefined };
    this.#pages.set(key, {
      kind,
      object,
      ...state,
      writtenAt: 0,
      failures: 0,
      changed: true,
      restored: 0,
      dirty: false,
    });
    this.#keys.set(object.metadata.uid, key);
  }

  accept(key: string, acceptance: Acceptance): void {
    const page = this.#pages.get(key);
    if (page === undefined) return;
    page.acceptance = acceptance;
    this.#change(page);
  }

  report(task: Task): void {
    const page = this.#pages.get(this.#keys.get(task.uid) ?? '');
    if (page === undefined) return;
    page.task = task;
    this.#change(page);
  }

  forget(key: string): void {
    const page = this.#pages.get(key);
    if (page === undefined) return;
    clearTimeout(page.timer);
    this.#pages.delete(key);
    this.#keys.delete(page.object.metadata.uid);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { timer } of this.#pages.values()) clearTimeout(timer);
    await Promise.all([...this.#pages.values()].flatMap(({ writing }) => writing ?? []));
  }

  #change(page: Page): void {
    page.changed = true;
    page.restored = 0;
    // What waited to restore something goes along.
    clearTimeout(page.timer);
    page.timer = undefined;
    this.#schedule(page);
  }

  #schedule(page: Page, delay = 0): void {
    if (page.acceptance === undefined || this.#stopped) return;
    page.dirty = true;
    if (page.timer !== undefined || page.writing !== undefined) return;
    const wait = Math.max(gathering, delay, page.writtenAt + interval - Date.now());
    page.timer = setTimeout(() => {
      page.timer = undefined;
      page.writing = this.#write(page).finally(() => (page.writing = undefined));
    }, wait);
  }

  async #write(page: Page): Promise<void> {
    const { kind, object, acceptance, task } = page;
    page.dirty = false;
    const patch = acceptance === undefined ? undefined : statusPatch(object, acceptance, task, now());
    if (patch === undefined) return;
    page.restored = page.changed ? 0 : page.restored + 1;
    page.changed = false;
    try {
      page.writtenAt = Date.now();
      page.object = (await this.#cluster.merge(`${objectPath(kind, object)}/status`, patch)) as TaskObject;
      page.failures = 0;
    } catch (error) {
      await this.#failed(page, error);
    }
    if (page.dirty && !this.#stopped) setImmediate(() => this.#schedule(page));
  }

  async #failed(page: Page, error: unknown): Promise<void> {
    const status = statusOf(error);
    if (this.#stopped || status === 404) return;
    page.failures++;
    page.changed = true;
    try {
      // Somebody else was faster: what counts is the object as it is now.
      if (status === 409)
        page.object = (await this.#cluster.request('GET', objectPath(page.kind, page.object))) as TaskObject;
    } catch {
      // The next try sees it.
    }
    const delay = status === 409 ? 0 : Math.min(interval * 2 ** page.failures, longestDelay);
    if (status !== 409 && page.failures === 1) {
      this.#log.warn(`kubernetes: the status of task ${taskId(page.object)} was not written: ${String(error)}`);
    }
    setImmediate(() => this.#schedule(page, delay));
  }
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
