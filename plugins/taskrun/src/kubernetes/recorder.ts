// Kubernetes Events about tasks: repeated ones are counted, and no task can flood the API server. What is worth an event is not decided here.
import { createHash } from 'node:crypto';
import type { Log } from 'plugboard';
import type { TaskEvent } from '../task.ts';
import { statusOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import type { TaskObject } from './task-object.ts';

/** Events with different texts that a task may make at once, and how often (ms) it may make another. */
const burst = 25;
const refill = 10_000;

/** Equal events are sent at most so often (ms), with their count. */
const interval = 1000;

/** Series that are remembered; the oldest is forgotten and begins a new event. */
const maxSeries = 5000;

interface Series {
  readonly object: TaskObject;
  readonly event: TaskEvent;
  readonly firstTimestamp: string;
  count: number;
  /** Occurrences that the API server knows of. */
  sent: number;
  timer: NodeJS.Timeout | undefined;
}

export class Recorder {
  readonly #cluster: Cluster;
  readonly #log: Log;
  readonly #series = new Map<string, Series>();
  readonly #budgets = new Map<string, { left: number; at: number; told: boolean }>();
  readonly #sending = new Set<Promise<void>>();
  #stopped = false;

  constructor(cluster: Cluster, log: Log) {
    this.#cluster = cluster;
    this.#log = log;
  }

  record(object: TaskObject, event: TaskEvent): void {
    if (this.#stopped) return;
    const key = nameOf(object, event);
    const known = this.#series.get(key);
    if (known !== undefined) {
      known.count++;
      known.timer ??= setTimeout(() => this.#send(key, known), interval);
      return;
    }
    if (!this.#spend(object)) return;
    const series: Series = { object, event, firstTimestamp: now(), count: 1, sent: 0, timer: undefined };
    this.#series.set(key, series);
    this.#trim();
    this.#send(key, series);
  }

  /** Nothing more is to come about this object. */
  forget({ metadata }: TaskObject): void {
    this.#budgets.delete(metadata.uid);
    for (const [key, { object, timer }] of this.#series) {
      if (object.metadata.uid !== metadata.uid) continue;
      clearTimeout(timer);
      this.#series.delete(key);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { timer } of this.#series.values()) clearTimeout(timer);
    await Promise.all(this.#sending);
  }

  #spend({ metadata }: TaskObject): boolean {
    const at = Date.now();
    const before = this.#budgets.get(metadata.uid) ?? { left: burst, at, told: false };
    const left = Math.min(burst, before.left + (at - before.at) / refill);
    this.#budgets.set(metadata.uid, { left: left < 1 ? left : left - 1, at, told: left < 1 });
    if (left < 1 && !before.told) this.#log.warn(`task ${metadata.name}: too many events; some are left out`);
    return left >= 1;
  }

  #trim(): void {
    const [oldest] = this.#series;
    if (oldest === undefined || this.#series.size <= maxSeries) return;
    clearTimeout(oldest[1].timer);
    this.#series.delete(oldest[0]);
  }

  #send(name: string, series: Series): void {
    series.timer = undefined;
    const sending = this.#write(name, series).catch((error: unknown) => {
      if (!this.#stopped) this.#log.warn(`an event of task ${series.object.metadata.name} was not written`, { error });
    });
    this.#sending.add(sending);
    void sending.finally(() => this.#sending.delete(sending));
  }

  async #write(name: string, series: Series): Promise<void> {
    const { object, event, count, sent } = series;
    const path = `/api/v1/namespaces/${encodeURIComponent(object.metadata.namespace)}/events`;
    series.sent = count;
    if (sent > 0) {
      await this.#cluster.merge(`${path}/${name}`, { count, lastTimestamp: now() });
      return;
    }
    try {
      await this.#cluster.request('POST', path, eventObject(name, series));
    } catch (error) {
      if (statusOf(error) !== 409) throw error;
      // From before a restart of the proxy: it goes on counting.
      const earlier = (await this.#cluster.request('GET', `${path}/${name}`)) as { count?: number };
      series.count += earlier.count ?? 0;
      series.sent = series.count;
      await this.#cluster.merge(`${path}/${name}`, { count: series.count, lastTimestamp: now() });
    }
    this.#log.debug(`event ${event.reason} of task ${object.metadata.name}`);
  }
}

/** The same event of the same object has the same name. */
function nameOf({ metadata }: TaskObject, { type, reason, message }: TaskEvent): string {
  const digest = createHash('sha256')
    .update([metadata.uid, type, reason, message].join('\0'))
    .digest('hex')
    .slice(0, 16);
  return `${metadata.name.slice(0, 200).replace(/[^a-z0-9]+$/, '')}.${digest}`;
}

function eventObject(name: string, { object, event, firstTimestamp, count }: Series): object {
  const { namespace, name: objectName, uid, resourceVersion } = object.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name: objectName,
      namespace,
      uid,
      resourceVersion,
    },
    type: event.type,
    reason: event.reason.slice(0, 128),
    message: event.message.slice(0, 1024),
    source: { component: 'plugboard' },
    reportingComponent: 'orchestrator.io/plugboard',
    reportingInstance: 'plugboard',
    firstTimestamp,
    lastTimestamp: now(),
    count,
  };
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
