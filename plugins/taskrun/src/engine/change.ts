// Changes of a task's record by add-context: pure functions of the record, so that a lost race only makes them run again.
import { Problem } from 'plugboard';
import type { Options } from '../options.ts';
import { journaled } from './record.ts';
import type { ContextPart, LiveChange, TaskRecord } from './record.ts';

/** What add-context does, checked and put in order. */
export interface ContextChange {
  readonly by: string;
  readonly text: string | undefined;
  readonly reason: string | undefined;
  /** Selectors in the order in which they take effect. */
  readonly live: readonly LiveChange[];
}

/** Appends context, switches tools, counts the version up, and says so in the journal. */
export function changeContext(record: TaskRecord, change: ContextChange, limits: Options['limits']): TaskRecord {
  const version = record.contextVersion + 1;
  const part: ContextPart[] =
    change.text === undefined ? [] : [{ at: new Date().toISOString(), by: change.by, version, text: change.text }];
  const context = [...record.context, ...part];
  const bytes = context.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  if (bytes > limits.contextBytes)
    throw new Problem(
      413,
      'context-too-large',
      `${record.id}: the appended context would have ${bytes} bytes (at most ${limits.contextBytes}); put long texts into files of the workspace`,
    );
  const live = switched(record.live, change.live);
  if (live.length > limits.liveSelectors)
    throw new Problem(
      422,
      'too-many-selectors',
      `${record.id}: live changes would hold ${live.length} selectors (at most ${limits.liveSelectors}); write them into the task’s object`,
    );
  const selectors = (on: boolean) => change.live.filter((each) => each.on === on).map(({ selector }) => selector);
  return journaled(
    { ...record, contextVersion: version, context, live },
    { by: change.by, action: 'context', reason: change.reason, enabled: selectors(true), disabled: selectors(false) },
  );
}

/** Live changes with more of them: a selector stands there once, at its latest place. */
export function switched(live: readonly LiveChange[], more: readonly LiveChange[]): LiveChange[] {
  const renewed = new Set(more.map(({ selector }) => selector));
  return [...live.filter(({ selector }) => !renewed.has(selector)), ...more];
}

/**
 * The order in which the selectors of one call take effect: what is narrower comes behind what is wider, so that
 * `enable github:*, disable github:delete_repo` and `disable github:*, enable github:get_issue` both do what they say.
 * Of two that overlap without one holding the other, the one that disables comes last.
 */
export function inOrder(
  enable: readonly string[],
  disable: readonly string[],
  meaning: (selector: string) => ReadonlySet<string>,
): LiveChange[] {
  const narrower = (selector: string) => {
    const tools = meaning(selector);
    if (tools.size === 0) return false;
    return disable.some((wide) => {
      const all = meaning(wide);
      return all.size > tools.size && [...tools].every((tool) => all.has(tool));
    });
  };
  const last = enable.filter(narrower);
  const first = enable.filter((selector) => !last.includes(selector));
  return [
    ...first.map((selector) => ({ selector, on: true })),
    ...disable.map((selector) => ({ selector, on: false })),
    ...last.map((selector) => ({ selector, on: true })),
  ];
}
