// Keeps tasks and objects of the API server alike: objects become tasks, and what becomes of the tasks is written into the objects.
import type { Log } from 'plugboard';
import { kinds } from '../schema/kinds.ts';
import type { Kind } from '../schema/kinds.ts';
import type { Task, TaskEvent, TaskSink } from '../task.ts';
import { Cluster, statusOf } from './cluster.ts';
import { Informer } from './informer.ts';
import { Recorder } from './recorder.ts';
import type { KubernetesOptions } from './source.ts';
import { StatusWriter } from './status-writer.ts';
import { finalizer, labelOf, objectPath, taskId } from './task-object.ts';
import type { TaskObject } from './task-object.ts';
import { Trouble } from './trouble.ts';
import { Workers } from './workers.ts';

/** One kind and what follows it. */
interface Followed {
  readonly kind: Kind;
  readonly informer: Informer;
  readonly trouble: Trouble;
  /** True once all of its objects have been told, or it is known that it is not installed. */
  listed: boolean;
}

/** What was delivered to the sink last for a key. */
interface Delivered {
  readonly uid: string;
  readonly content: string;
  /** Why it was not taken. */
  readonly refused: string | undefined;
}

/** ms until what was refused is delivered again: the reason may lie outside the object. */
const secondTry = 60_000;

export class Follower {
  readonly #sink: TaskSink;
  readonly #log: Log;
  readonly #cluster: Cluster;
  readonly #followed: readonly Followed[];
  readonly #workers: Workers;
  readonly #status: StatusWriter;
  readonly #recorder: Recorder;
  readonly #delivered = new Map<string, Delivered>();
  /** The object that holds a task's id: key by id. */
  readonly #holders = new Map<string, string>();
  /** Keys by the uid of their object. */
  readonly #keys = new Map<string, string>();
  #started: (() => void) | undefined;
  #secondTries: NodeJS.Timeout | undefined;
  #withoutFinalizer = false;
  #stopped = false;
  #synchronizing: Promise<void> = Promise.resolve();

  constructor(options: KubernetesOptions, sink: TaskSink, log: Log) {
    this.#sink = sink;
    this.#log = log;
    this.#cluster = new Cluster(options);
    this.#recorder = new Recorder(this.#cluster, log);
    this.#status = new StatusWriter(this.#cluster, log);
    this.#workers = new Workers(
      (key) => this.#reconcile(key),
      (key, error, delay) =>
        log.warn(`kubernetes: ${key}: ${String(error)}; next try in ${Math.round(delay / 1000)} s`),
    );
    this.#followed = kinds.map((kind) => this.#follow(kind, options.namespace));
  }

  /** Resolves when all objects are tasks, or when it is known why not yet. */
  async start(): Promise<void> {
    const started = new Promise<void>((resolve) => (this.#started = resolve));
    for (const { informer } of this.#followed) informer.start();
    this.#secondTries = setInterval(() => this.#tryAgain(), secondTry);
    await started;
    await this.#workers.idle();
    await this.#synchronizing;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#started?.();
    clearInterval(this.#secondTries);
    await Promise.all(this.#followed.map(({ informer }) => informer.stop()));
    this.#cluster.stop();
    await Promise.all([this.#workers.stop(), this.#status.stop(), this.#recorder.stop(), this.#synchronizing]);
  }

  report(task: Task): void {
    this.#status.report(task);
  }

  event(task: Task, event: TaskEvent): void {
    const found = this.#objectOf(this.#keys.get(task.uid));
    if (found?.object.metadata.uid === task.uid) this.#recorder.record(found.object, event);
  }

  #follow(kind: Kind, namespace: string | undefined): Followed {
    const followed: Followed = {
      kind,
      listed: false,
      trouble: new Trouble(this.#log, kind, this.#cluster.server),
      informer: new Informer(this.#cluster, kind, namespace, {
        present: (object) => this.#workers.add(keyOf(kind, object)),
        gone: (object) => this.#workers.add(keyOf(kind, object)),
        listed: () => this.#listed(followed),
        connected: () => followed.trouble.over(),
        failed: (error, delay) => this.#failed(followed, error, delay),
      }),
    };
    return followed;
  }

  #listed(followed: Followed): void {
    followed.listed = true;
    if (!this.#followed.every(({ listed }) => listed)) return;
    this.#started?.();
    this.#synchronizing = this.#synchronizing
      .then(() => this.#synchronize())
      .catch((error: unknown) => {
        this.#log.error('kubernetes: tasks whose objects are gone were not removed', { error });
      });
  }

  #failed(followed: Followed, error: unknown, delay: number): void {
    followed.trouble.met(error, delay);
    // A kind that is not installed has no objects.
    if (statusOf(error) === 404 && !followed.listed) this.#listed(followed);
    // The proxy starts without the API server, with the tasks that it has kept.
    else this.#started?.();
  }

  /** Tells which tasks there are, when all that is known has been delivered. */
  async #synchronize(): Promise<void> {
    await this.#workers.idle();
    if (this.#stopped) return;
    const objects = this.#followed.flatMap(({ informer }) => informer.objects());
    await this.#sink.synchronized('kubernetes', new Set(objects.map(taskId)));
  }

  #tryAgain(): void {
    for (const [key, { refused }] of this.#delivered) if (refused !== undefined) this.#workers.add(key);
  }

  /** Brings one object and its task together, whatever has happened to it. */
  async #reconcile(key: string): Promise<void> {
    const found = this.#objectOf(key);
    const before = this.#delivered.get(key);
    if (found === undefined || (before !== undefined && before.uid !== found.object.metadata.uid))
      await this.#release(key);
    if (found === undefined) return;
    const { kind, object } = found;
    if (object.metadata.deletionTimestamp !== undefined) {
      await this.#release(key);
      await this.#removeFinalizer(kind, object);
    } else {
      await this.#addFinalizer(kind, object);
      await this.#deliver(key, kind, object);
    }
  }

  async #deliver(key: string, kind: Kind, object: TaskObject): Promise<void> {
    const { uid } = object.metadata;
    const content = contentOf(object);
    const before = this.#delivered.get(key);
    this.#status.saw(key, kind, object);
    this.#keys.set(uid, key);
    if (before?.content === content && before.refused === undefined) return;
    const refused = await this.#put(key, kind, object);
    this.#delivered.set(key, { uid, content, refused });
    this.#status.accept(key, refused === undefined ? { accepted: true } : { accepted: false, problem: refused });
    if (refused === undefined || refused === before?.refused) return;
    this.#log.warn(`kubernetes: ${labelOf(kind, object)} is refused: ${refused}`);
    this.#recorder.record(object, { type: 'Warning', reason: 'Refused', message: refused });
  }

  /** Undefined when the object is a task now, else why not. */
  async #put(key: string, kind: Kind, object: TaskObject): Promise<string | undefined> {
    const id = taskId(object);
    const holder = this.#holders.get(id);
    if (holder !== undefined && holder !== key) return `${holder} has this name already; give one of them another name`;
    const result = await this.#sink.put({ source: 'kubernetes', origin: labelOf(kind, object), object });
    if ('refused' in result) return result.refused;
    this.#holders.set(id, key);
    return undefined;
  }

  /** The object is gone or going: so is its task, which may also be known from before a restart only. */
  async #release(key: string): Promise<void> {
    const id = idOfKey(key);
    const holder = this.#holders.get(id);
    if (holder === undefined || holder === key) await this.#sink.remove('kubernetes', id);
    this.#status.forget(key);
    this.#keys.delete(this.#delivered.get(key)?.uid ?? '');
    this.#delivered.delete(key);
    if (holder === key) this.#holders.delete(id);
    // Another object may have waited for the name.
    this.#tryAgain();
  }

  /** Makes sure that a deletion waits until the token is revoked. */
  async #addFinalizer(kind: Kind, object: TaskObject): Promise<void> {
    const { finalizers = [], resourceVersion } = object.metadata;
    if (finalizers.includes(finalizer)) return;
    try {
      await this.#patchFinalizers(kind, object, [...finalizers, finalizer], resourceVersion);
    } catch (error) {
      if (statusOf(error) !== 403) throw error;
      if (!this.#withoutFinalizer) {
        this.#log.warn(
          `kubernetes: ${String(error)}; without a finalizer, a deletion while the proxy is down is noticed when it is back only`,
        );
      }
      this.#withoutFinalizer = true;
    }
  }

  async #removeFinalizer(kind: Kind, object: TaskObject): Promise<void> {
    const { finalizers = [], resourceVersion } = object.metadata;
    this.#recorder.forget(object);
    if (!finalizers.includes(finalizer)) return;
    await this.#patchFinalizers(
      kind,
      object,
      finalizers.filter((each) => each !== finalizer),
      resourceVersion,
    );
  }

  async #patchFinalizers(
    kind: Kind,
    object: TaskObject,
    finalizers: readonly string[],
    resourceVersion: string,
  ): Promise<void> {
    try {
      await this.#cluster.merge(objectPath(kind, object), { metadata: { finalizers, resourceVersion } });
    } catch (error) {
      // Gone meanwhile, or changed: then its next version is on the way and brings the key here again.
      if (statusOf(error) !== 404 && statusOf(error) !== 409) throw error;
    }
  }

  #objectOf(key: string | undefined): { kind: Kind; object: TaskObject } | undefined {
    const [kindName, namespace = '', name = ''] = key?.split(/[ /]/) ?? [];
    const followed = this.#followed.find(({ kind }) => kind.kind === kindName);
    const object = followed?.informer.get(name, namespace);
    return followed === undefined || object === undefined ? undefined : { kind: followed.kind, object };
  }
}

/** `TaskRun namespace/name`. */
const keyOf = labelOf;

function idOfKey(key: string): string {
  const [, namespace, name = ''] = key.split(/[ /]/);
  return namespace === 'default' ? name : `${namespace}/${name}`;
}

/** What a task is made of: an object whose status alone has changed need not be delivered again, except for its phase. */
function contentOf({ metadata, status }: TaskObject): string {
  const { uid, generation, labels } = metadata;
  return JSON.stringify([uid, generation, labels, status?.['phase']]);
}
