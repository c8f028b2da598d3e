// Ties the admission webhook to the tasks: which task a pod belongs to, what it gets, and the objects in the cluster that it refers to.
import path from 'node:path';
import type { Log } from 'plugboard';
import type { TaskEntry } from './engine/entry.ts';
import type { Requests } from './engine/requests.ts';
import type { Tasks } from './engine/tasks.ts';
import type { KubernetesOptions as ClusterOptions } from './kubernetes/source.ts';
import { findTask } from './render/kubernetes-names.ts';
import type { KubernetesOptions } from './render/kubernetes-options.ts';
import type { RenderInput, Task } from './task.ts';
import type { Requester } from './webhook/apply.ts';
import type { WebhookOptions } from './webhook/options.ts';

export interface PodsInit {
  readonly webhook: WebhookOptions;
  readonly rendering: KubernetesOptions;
  readonly cluster: ClusterOptions;
  /** Folder that paths of the options start from. */
  readonly directory: string;
  readonly tasks: Tasks;
  readonly requests: Requests;
  readonly renderInput: (entry: TaskEntry) => Promise<RenderInput>;
  /** The same without the tools that the task sees: pods do not depend on them. */
  readonly podInput: (entry: TaskEntry) => RenderInput;
  readonly log: Log;
}

/** Starts the webhook; returns the way to stop it. */
export async function startPods(init: PodsInit): Promise<() => Promise<void>> {
  const { startWebhook } = await import('./webhook/webhook.ts');
  const { podInjection } = await import('./render/kubernetes.ts');
  const { tasks, rendering, log } = init;
  const writer = new Writer(init, await clusterOf(init));
  const lookup = {
    task: (namespace: string, labels: Readonly<Record<string, string>>) => {
      const running = tasks.all().filter(({ record: { phase } }) => phase !== 'Succeeded' && phase !== 'Failed');
      return findTask(
        running.map((entry) => entry.view()),
        namespace,
        labels,
      );
    },
    render: (task: Task) => podInjection(init.podInput(tasks.find(task.id)), rendering),
    ensure: (task: Task) => writer.ensure(task.id),
  };
  const webhook = await startWebhook(withPaths(init), lookup, log);
  return () => webhook.stop();
}

function withPaths({ webhook, directory }: PodsInit): WebhookOptions {
  const files = (['certFile', 'keyFile', 'clientCaFile'] as const).flatMap((key) =>
    webhook[key] === undefined ? [] : [[key, path.resolve(directory, webhook[key])] as const],
  );
  return { ...webhook, ...Object.fromEntries(files) };
}

async function clusterOf({ cluster, log }: PodsInit): Promise<Requester | undefined> {
  const { Cluster } = await import('./kubernetes/cluster.ts');
  try {
    return new Cluster(cluster);
  } catch (error) {
    log.warn(`webhook: Secrets and ConfigMaps of tasks are not written: ${(error as Error).message}`);
    return undefined;
  }
}

/** Writes what the pods of a task refer to, one task at a time: of two tokens made at once only one would be good. */
class Writer {
  readonly #init: PodsInit;
  readonly #cluster: Requester | undefined;
  readonly #turns = new Map<string, Promise<void>>();

  constructor(init: PodsInit, cluster: Requester | undefined) {
    this.#init = init;
    this.#cluster = cluster;
  }

  ensure(id: string): Promise<void> {
    const turn = (this.#turns.get(id) ?? Promise.resolve()).catch(() => {}).then(() => this.#write(id));
    this.#turns.set(id, turn);
    const done = () => void (this.#turns.get(id) === turn && this.#turns.delete(id));
    turn.then(done, done);
    return turn;
  }

  async #write(id: string): Promise<void> {
    const cluster = this.#cluster;
    if (cluster === undefined)
      throw new Error(
        'the proxy has no credentials for the cluster; create the Secret and the ConfigMap by `plugboard task render`',
      );
    const { tasks, requests, rendering, renderInput } = this.#init;
    const { applyObjects } = await import('./webhook/apply.ts');
    const { podObjects, tokenSecret } = await import('./render/kubernetes.ts');
    const entry = tasks.find(id);
    const input = await renderInput(entry);
    await applyObjects(cluster, podObjects(input, rendering));
    // A token that is there already is in its Secret, where earlier pods have found it.
    if (entry.record.token !== undefined) return;
    const by = { by: 'proxy' };
    const token = await requests.mint(entry, {}, by);
    try {
      await applyObjects(cluster, [tokenSecret(input.task, token)]);
    } catch (error) {
      // Nobody has it: the next pod must get one.
      await requests.revoke(entry, by);
      throw error;
    }
  }
}
