// Reads an object as a source delivered it: which kind it is, whether it is valid, and what task it describes.
import { z } from 'plugboard';
import type { Phase, TaskSpec } from '../task.ts';
import { maxSelectorLength, maxSelectors, oversize } from './bounds.ts';
import { codeRunSpec } from './code-run.ts';
import type { CodeRunSpec } from './code-run.ts';
import { compileCodeRun, compileTaskRun } from './compile.ts';
import type { Compiled, Presets } from './compile.ts';
import { kinds } from './kinds.ts';
import { limited, problemsOf } from './problems.ts';
import { taskRunSpec } from './task-run.ts';
import type { TaskRunSpec } from './task-run.ts';

export interface ReadSettings {
  /** Selectors by the name of a preset (`toolConfig.preset`). */
  readonly presets: Presets;
}

/** A valid object. */
export interface ReadTask {
  readonly name: string;
  /** `default` when the object names none. */
  readonly namespace: string;
  /** Undefined for objects that no API server has seen. */
  readonly uid: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: TaskSpec;
  /** From the status, when the object comes with one. */
  readonly phase: Phase | undefined;
  /** What has no effect, and why. Selectors that match nothing are not among them: that depends on the servers. */
  readonly warnings: readonly string[];
}

/** An object that is refused: what is wrong, one line each, with the field. */
export interface Unreadable {
  readonly problems: readonly string[];
}

const anything = z.unknown().optional();

/** A name as Kubernetes takes it: DNS subdomain. */
const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, {
    message: 'must be lower-case letters, digits, "-" and "."',
  });

const metadata = z.strictObject({
  name: objectName,
  namespace: z
    .string()
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, { message: 'must be lower-case letters, digits and "-"' })
    .default('default'),
  uid: z.string().min(1).max(128).optional(),
  labels: z.record(z.string().max(317), z.string().max(63)).default({}),
  annotations: anything,
  generateName: anything,
  resourceVersion: anything,
  generation: anything,
  creationTimestamp: anything,
  deletionTimestamp: anything,
  deletionGracePeriodSeconds: anything,
  finalizers: anything,
  ownerReferences: anything,
  managedFields: anything,
  selfLink: anything,
});

const envelope = (spec: z.ZodType) =>
  z.strictObject({ apiVersion: z.string(), kind: z.string(), metadata, spec, status: anything });

const schemas = {
  TaskRun: envelope(taskRunSpec),
  CodeRun: envelope(codeRunSpec),
};

/**
 * Reads `orchestrator.io/v1` TaskRun and `agents.platform/v1` CodeRun. Never throws, whatever the object is; unknown fields are problems.
 * `toolConfig: minimal`, as the field's own objects have it, is read as `toolConfig: {preset: minimal}`.
 */
export function readObject(object: unknown, { presets }: ReadSettings): ReadTask | Unreadable {
  const problem = oversize(object) ?? kindProblem(object);
  if (problem !== undefined) return { problems: [problem] };
  const { kind } = object as { kind: 'TaskRun' | 'CodeRun' };
  const result = schemas[kind].safeParse(withToolConfigObject(object as { spec?: unknown }));
  if (!result.success) return { problems: problemsOf(schemas[kind], result.error, '') };
  const { metadata, spec, status } = result.data;
  const faults = [...presetProblems(spec as TaskRunSpec | CodeRunSpec, presets)];
  if (faults.length > 0) return { problems: faults };
  const compiled =
    kind === 'TaskRun' ? compileTaskRun(spec as TaskRunSpec, presets) : compileCodeRun(spec as CodeRunSpec, presets);
  const limits = limitProblems(compiled);
  if (limits.length > 0) return { problems: limits };
  const { name, namespace, uid, labels } = metadata;
  return {
    name,
    namespace,
    uid,
    labels,
    spec: compiled.spec,
    phase: phaseOf(status),
    warnings: limited(compiled.warnings),
  };
}

/** True for what {@link readObject} refused. */
export function isUnreadable(read: ReadTask | Unreadable): read is Unreadable {
  return 'problems' in read;
}

function kindProblem(object: unknown): string | undefined {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return 'the object is not a mapping';
  const { apiVersion, kind } = object as { apiVersion?: unknown; kind?: unknown };
  const known = kinds.map((each) => `${each.group}/${each.version} ${each.kind}`);
  if (typeof apiVersion === 'string' && typeof kind === 'string' && known.includes(`${apiVersion} ${kind}`))
    return undefined;
  const show = (value: unknown) => (typeof value === 'string' ? JSON.stringify(value.slice(0, 100)) : 'missing');
  return `apiVersion ${show(apiVersion)}, kind ${show(kind)}: not an object of a task (known: ${known.join(', ')})`;
}

/** The field's own objects name a preset where ours have an object. */
function withToolConfigObject(object: { readonly spec?: unknown }): unknown {
  const spec = object.spec as { readonly toolConfig?: unknown } | null | undefined;
  if (typeof spec !== 'object' || typeof spec?.toolConfig !== 'string') return object;
  return { ...object, spec: { ...spec, toolConfig: { preset: spec.toolConfig } } };
}

function* presetProblems({ toolConfig }: TaskRunSpec | CodeRunSpec, presets: Presets): Iterable<string> {
  const preset = toolConfig?.preset;
  if (preset === undefined || Object.hasOwn(presets, preset)) return;
  const known = Object.keys(presets).join(', ');
  yield `spec.toolConfig.preset: the proxy has no preset "${preset}" (configured: ${known === '' ? 'none' : known})`;
}

/** Limits on lists that are put together from several fields. */
function limitProblems({ spec }: Compiled): string[] {
  for (const [what, { allow, deny }] of Object.entries({
    selectors: spec.tools,
    'permission rules': spec.internalTools,
  })) {
    const count = allow.length + deny.length;
    if (count > maxSelectors) return [`spec: ${count} ${what} (at most ${maxSelectors}); use globs such as "create_*"`];
  }
  const long = [...spec.tools.allow, ...spec.tools.deny].filter((selector) => selector.length > maxSelectorLength);
  return limited(
    long.map((selector) => `spec: selector "${selector.slice(0, 60)}…" is longer than ${maxSelectorLength} characters`),
  );
}

function phaseOf(status: unknown): Phase | undefined {
  const phase = (status as { readonly phase?: unknown } | null | undefined)?.phase;
  return phase === 'Pending' || phase === 'Running' || phase === 'Succeeded' || phase === 'Failed' ? phase : undefined;
}
