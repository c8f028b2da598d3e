// Decides on one AdmissionReview: whose pod it is, whether it may have what it asks for, and how it is changed. Nothing is read or written here.
import type { Task } from '../task.ts';
import { namesTask, taskLabel } from '../render/kubernetes-names.ts';
import type { PodInjection } from '../render/kubernetes-pod.ts';
import { inject } from './inject.ts';
import { allowed, readPod, readReview, refused } from './review.ts';
import type { AdmissionReview, ReviewedPod, ReviewRequest } from './review.ts';
import type { WebhookOptions } from './options.ts';

/** What the webhook knows of tasks. */
export interface TaskLookup {
  /** The task of a pod by its namespace and labels; undefined when there is none, or when it has ended. */
  task(namespace: string, labels: Readonly<Record<string, string>>): Task | undefined;
  /** What the task's pods get. What it throws refuses the pod. */
  render(task: Task): PodInjection | Promise<PodInjection>;
  /**
   * Sees to it that what the pod refers to is there: Secret and ConfigMap of the task. Called before a pod is let in, never for a dry run.
   * When it rejects, the pod is let in all the same, with a warning: without its Secret it does not start.
   */
  ensure?(task: Task): Promise<void>;
}

/** What was decided. */
export interface Admission {
  readonly review: AdmissionReview;
  /** The task whose pod is let in, when something has to be there for it. */
  readonly task: Task | undefined;
  /** For the log. */
  readonly summary: string | undefined;
}

/**
 * Returns the function that decides. It resolves with undefined for what is no AdmissionReview of admission.k8s.io/v1. A pod gets what
 * belongs to a task of its own namespace only, whatever `lookup` says.
 */
export function admissionHandler(
  lookup: Pick<TaskLookup, 'task' | 'render'>,
  { unknownTask }: Pick<WebhookOptions, 'unknownTask'>,
): (body: unknown) => Promise<Admission | undefined> {
  return async (body) => {
    const request = readReview(body);
    if (request === undefined) return undefined;
    const pod = readPod(request);
    const labels = pod?.metadata?.labels ?? {};
    if (pod === undefined || !namesTask(labels))
      return { review: allowed(request), task: undefined, summary: undefined };
    const { namespace } = request;
    const found = lookup.task(namespace, labels);
    if (found?.namespace === namespace) return await admit(request, pod, found, lookup);
    return unknown(request, labels, unknownTask);
  };
}

async function admit(
  request: ReviewRequest,
  pod: ReviewedPod,
  task: Task,
  lookup: Pick<TaskLookup, 'render'>,
): Promise<Admission> {
  const where = `pod ${nameOf(pod)} of task ${task.id}`;
  try {
    const { patch, warnings } = inject(pod, await lookup.render(task));
    const review = allowed(request, patch, warnings);
    return { review, task: request.dryRun ? undefined : task, summary: `${where}: ${patch.length} changes` };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { review: refused(request, 422, `plugboard: ${why}`), task: undefined, summary: `${where} refused: ${why}` };
  }
}

function unknown(
  request: ReviewRequest,
  labels: Readonly<Record<string, string>>,
  verdict: 'deny' | 'warn',
): Admission {
  const { namespace } = request;
  const what = labels[taskLabel] ?? `${labels['task-id']} of ${labels['service-name']}`;
  const message = `plugboard: no task ${JSON.stringify(what)} runs in namespace "${namespace}": create its TaskRun there, or correct the pod's labels`;
  const review =
    verdict === 'deny'
      ? refused(request, 403, message)
      : allowed(request, [], [`${message}; the pod starts without tools`]);
  return { review, task: undefined, summary: message };
}

function nameOf({ metadata }: ReviewedPod): string {
  return metadata?.name ?? `${metadata?.generateName ?? ''}…`;
}
