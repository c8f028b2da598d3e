// What the status of a task's object should say, and the patch that makes it say so. Only fields of the proxy; sending it is not done here.
import type { Condition, Task } from '../task.ts';
import type { TaskObject } from './task-object.ts';

/** Selectors shown in the status. */
const maxTools = 200;
const maxText = 1000;

/** Whether the object was taken, and if not, why. */
export type Acceptance = { readonly accepted: true } | { readonly accepted: false; readonly problem: string };

type Status = Record<string, unknown>;

/**
 * A merge patch with what has to change, or undefined when the object says it already. Conditions of others are kept; phase, jobName and
 * the like belong to the controller that runs the agent.
 */
export function statusPatch(
  object: TaskObject,
  acceptance: Acceptance,
  task: Task | undefined,
  now: string,
): object | undefined {
  const current: Status = object.status ?? {};
  const wanted: Status = { ...(task === undefined ? {} : taskFields(object, task)) };
  wanted['conditions'] = conditionsOf(object, acceptance, task, now);
  const changed = Object.entries(wanted).filter(([key, value]) => !equal(current[key], value ?? undefined));
  if (changed.length === 0) return undefined;
  // Lists are replaced whole: the version makes sure that nobody's condition is lost.
  return { metadata: { resourceVersion: object.metadata.resourceVersion }, status: Object.fromEntries(changed) };
}

/** null removes a field in a merge patch. */
function taskFields(object: TaskObject, { spec, status }: Task): Status {
  const fields: Status = {
    tools: toolsOf(status.tools),
    calls: status.calls,
    refusals: status.refusals,
    pendingEscalations: status.pendingEscalations,
    lastActivity: status.lastActivity ?? null,
    tokenExpiresAt: status.tokenExpiresAt ?? null,
  };
  // The controller of CodeRun keeps a version of its own there.
  if (spec.kind === 'TaskRun') fields['contextVersion'] = status.contextVersion;
  // With a controller at work, the message is the controller's.
  if (object.status?.['phase'] === undefined) fields['message'] = status.message?.slice(0, maxText) ?? null;
  return fields;
}

function toolsOf(reports: Task['status']['tools']): object[] {
  const troubleFirst = [...reports].sort((a, b) => Number(a.state === 'ready') - Number(b.state === 'ready'));
  return troubleFirst.slice(0, maxTools).map(({ selector, state, tools, reason, nearest }) => ({
    selector,
    state,
    tools: tools.length,
    ...(reason === undefined ? {} : { reason: reason.slice(0, maxText) }),
    ...(nearest.length === 0 ? {} : { nearest: nearest.slice(0, 3) }),
  }));
}

function conditionsOf(object: TaskObject, acceptance: Acceptance, task: Task | undefined, now: string): object[] {
  const present = (object.status?.['conditions'] ?? []) as readonly Partial<Condition>[];
  const own = [acceptedCondition(acceptance, now), ...(acceptance.accepted ? (task?.status.conditions ?? []) : [])];
  const dated = own.map((condition) => {
    const before = present.find(({ type }) => type === condition.type);
    const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
    const { type, status, reason, message } = condition;
    return {
      type,
      status,
      reason,
      message: message.slice(0, 32_000),
      lastTransitionTime: since ?? condition.lastTransitionTime,
      ...(object.metadata.generation === undefined ? {} : { observedGeneration: object.metadata.generation }),
    };
  });
  const ours = new Set(dated.map(({ type }) => type));
  return [...present.filter(({ type = '' }) => !ours.has(type)), ...dated];
}

function acceptedCondition(acceptance: Acceptance, now: string): Condition {
  const common = { type: 'Accepted', lastTransitionTime: now };
  if (!acceptance.accepted) return { ...common, status: 'False', reason: 'Refused', message: acceptance.problem };
  return { ...common, status: 'True', reason: 'Accepted', message: 'the proxy serves this task' };
}

/** Equal as JSON, whatever the order of keys; a field that is not there equals one that is to be removed. */
function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === Object.keys(b).length &&
    keys.every((key) => equal((a as Status)[key], (b as Status)[key]))
  );
}
