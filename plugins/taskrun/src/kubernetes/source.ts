// The source of tasks that looks into a Kubernetes API server. The library for it takes a second to load, so that happens at the start only.
import type { Log } from 'plugboard';
import type { Task, TaskEvent, TaskSink, TaskSource } from '../task.ts';
import type { CredentialOptions } from './credentials.ts';
import type { Follower } from './follower.ts';

export interface KubernetesOptions extends CredentialOptions {
  /** Namespace that is watched. Default: all. */
  readonly namespace?: string | undefined;
}

/**
 * Tasks from objects of kind TaskRun and CodeRun. `start` rejects when there are no credentials; an API server that cannot be reached is
 * logged and tried again until `stop`, and tasks that are known stay as they are meanwhile.
 */
export function kubernetesSource(options: KubernetesOptions, log: Log): TaskSource {
  return new KubernetesSource(options, log);
}

class KubernetesSource implements TaskSource {
  readonly name = 'kubernetes';
  readonly #options: KubernetesOptions;
  readonly #log: Log;
  #follower: Follower | undefined;
  #stopped = false;

  constructor(options: KubernetesOptions, log: Log) {
    this.#options = options;
    this.#log = log;
  }

  async start(sink: TaskSink): Promise<void> {
    const { Follower } = await import('./follower.ts');
    if (this.#stopped) return;
    this.#follower = new Follower(this.#options, sink, this.#log);
    await this.#follower.start();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#follower?.stop();
  }

  report(task: Task): void {
    this.#follower?.report(task);
  }

  event(task: Task, event: TaskEvent): void {
    this.#follower?.event(task, event);
  }
}
