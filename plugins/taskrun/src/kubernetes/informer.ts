// Follows the objects of one kind, whatever happens to the connection: the informer of @kubernetes/client-node, kept alive.
import { ListWatch } from '@kubernetes/client-node';
import type { KubeConfig, KubernetesListObject, KubernetesObject, Watch } from '@kubernetes/client-node';
import { linkAbort } from 'plugboard';
import type { Kind } from '../schema/kinds.ts';
import { statusOf } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { listPath } from './task-object.ts';
import type { TaskObject } from './task-object.ts';

const firstDelay = 200;
const longestDelay = 10_000;

/** ms until a kind that is not installed is looked for again. */
const absentDelay = 30_000;

/** The server ends a watch after so many ms, so that one that hangs unnoticed does not hang forever. */
const longestWatch = 300_000;

/** A watch that lives shorter than this (ms) counts as one that failed, so that a server that closes at once is not hammered. */
const shortLife = 1000;

export interface InformerEvents {
  /** There, new or changed. */
  present(object: TaskObject): void;
  gone(object: TaskObject): void;
  /** All objects have been told; what was not is not there. */
  listed(): void;
  /** The connection failed; it is tried again after `delay` ms. */
  failed(error: unknown, delay: number): void;
  /** Changes arrive (again). */
  connected(): void;
}

export class Informer {
  readonly #cluster: Cluster;
  readonly #kind: Kind;
  readonly #namespace: string | undefined;
  readonly #events: InformerEvents;
  #informer: ListWatch<KubernetesObject> | undefined;
  #watches: Watches | undefined;
  #retry: NodeJS.Timeout | undefined;
  #delay = firstDelay;
  #stopped = false;
  /** True between a list and the watch that follows it. */
  #justListed = false;

  constructor(cluster: Cluster, kind: Kind, namespace: string | undefined, events: InformerEvents) {
    this.#cluster = cluster;
    this.#kind = kind;
    this.#namespace = namespace;
    this.#events = events;
  }

  start(): void {
    const path = listPath(this.#kind, this.#namespace);
    this.#watches = new Watches(this.#cluster, {
      begins: () => this.#watchBegins(),
      connected: () => this.#connected(),
    });
    this.#informer = new ListWatch<KubernetesObject>(path, this.#watches, () => this.#list(path), false);
    this.#informer.on('add', (object) => this.#events.present(asTask(object)));
    this.#informer.on('update', (object) => this.#events.present(asTask(object)));
    this.#informer.on('delete', (object) => this.#events.gone(asTask(object)));
    this.#informer.on('error', (error: unknown) => this.#failed(error));
    this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#retry);
    this.#watches?.stop();
    await this.#informer?.stop();
  }

  /** The object as it was seen last. */
  get(name: string, namespace: string): TaskObject | undefined {
    const object = this.#informer?.get(name, namespace);
    return object === undefined ? undefined : asTask(object);
  }

  objects(): readonly TaskObject[] {
    return (this.#informer?.list() ?? []).map(asTask);
  }

  #run(): void {
    this.#informer?.start().catch((error: unknown) => this.#failed(error));
  }

  async #list(path: string) {
    const list = (await this.#cluster.request('GET', path)) as KubernetesListObject<KubernetesObject>;
    this.#justListed = true;
    return list;
  }

  #watchBegins(): void {
    if (!this.#justListed || this.#stopped) return;
    this.#justListed = false;
    this.#events.listed();
  }

  #connected(): void {
    this.#delay = firstDelay;
    if (!this.#stopped) this.#events.connected();
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    // Credentials that were renewed are in their file; a kind that is not installed may come any time.
    if (statusOf(error) === 401) this.#cluster.reload();
    const delay = statusOf(error) === 404 ? absentDelay : this.#delay;
    this.#delay = Math.min(this.#delay * 2, longestDelay);
    this.#events.failed(error, delay);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#run(), delay * (0.8 + Math.random() * 0.4));
  }
}

/** The library says Date where the objects of its informers have text. */
const asTask = (object: KubernetesObject) => object as unknown as TaskObject;

/** Opens the watches of an informer: with a time limit, and so that they can be ended at any time. */
class Watches {
  readonly #cluster: Cluster;
  readonly #events: { begins(): void; connected(): void };
  readonly #stopped = new AbortController();

  constructor(cluster: Cluster, events: { begins(): void; connected(): void }) {
    this.#cluster = cluster;
    this.#events = events;
  }

  /** The informer's type wants it; nobody asks. */
  get config(): KubeConfig {
    return this.#cluster.config;
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Called by the informer, which expects `done` once, whatever happens. */
  async watch(...[path, query, callback, done]: Parameters<Watch['watch']>): Promise<AbortController> {
    this.#events.begins();
    const own = new AbortController();
    const abort = linkAbort([own.signal, this.#stopped.signal], longestWatch + 30_000);
    const parameters = new URLSearchParams({
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(longestWatch / 1000),
    });
    for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
    const began = performance.now();
    const line = (text: string) => {
      const event = JSON.parse(text) as { type: string; object: unknown };
      callback(event.type, event.object, event);
    };
    const end = (error?: unknown) => {
      abort.release();
      if (own.signal.aborted || this.#stopped.signal.aborted) return;
      const isShort = error === undefined && performance.now() - began < shortLife;
      done(isShort ? new Error('the server closed the watch at once') : (error ?? null));
    };
    const opened = () => this.#events.connected();
    this.#cluster.stream(`${path}?${parameters.toString()}`, { opened, line }, abort.signal).then(() => end(), end);
    return own;
  }
}
