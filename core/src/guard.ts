// The only place that enters a plugin's hooks: what a tap throws carries a name, and it ends in time or is not waited for.
import { isDenied, PluginError, RefusedRequest, Unauthorized } from './errors.ts';
import { SwitchedOff } from './fault-budget.ts';
import type { FaultBudget } from './fault-budget.ts';
import type { GuardedTap } from './hook.ts';
import { hookKind } from './hooks.ts';
import type { HookFunction, HookName } from './hooks.ts';
import type { Plugin } from './plugin.ts';
import { withLimit } from './time-limit.ts';

/** Whose taps are guarded, and what becomes of their faults. */
export interface Guarded {
  readonly plugin: Plugin;
  readonly budget: FaultBudget;
  /** ms that a tap may take. */
  readonly limit: number;
  /** Called once, when the budget is spent. */
  readonly switchedOff: (reason: string) => void;
  /** Called for faults that nobody waits for. */
  readonly report: (fault: PluginError) => void;
}

/** Wraps a plugin's function for tapable: its faults carry a name, `null` counts as nothing, and it ends in time or is not waited for. */
export function guardTap<Name extends HookName>(hook: Name, run: HookFunction<Name>, guarded: Guarded): GuardedTap {
  const { plugin, budget, limit } = guarded;
  const kind = hookKind(hook);
  const call = run as Enter;
  const decides = kind === 'answer' || kind === 'transform';
  const closed = decides && plugin.whenSwitchedOff !== 'open';
  const failed = (error: unknown, first: unknown): undefined => {
    if (isDenied(error) || error instanceof RefusedRequest || error instanceof Unauthorized) throw error;
    const fault = new PluginError(plugin.id, hook, error, requestOf(first));
    if (budget.spend()) guarded.switchedOff(fault.message);
    if (kind !== 'settle') throw fault;
    guarded.report(fault);
  };
  const decided = (value: unknown): unknown => (decides ? (value ?? undefined) : undefined);
  const late = `it did not finish within ${limit} ms`;
  const wait = (value: PromiseLike<unknown>, first: unknown): Promise<unknown> =>
    withLimit(value, limit, late).then(decided, (error: unknown) => failed(error, first));
  const enter: Enter = (first, second, third) => {
    if (budget.spent) {
      if (closed) throw new SwitchedOff(plugin.id, hook);
      return undefined;
    }
    let value: unknown;
    try {
      value = call(first, second, third);
    } catch (error) {
      return failed(error, first);
    }
    return isThenable(value) ? wait(value, first) : decided(value);
  };
  return kind === 'transform' ? transforming(enter) : deciding(enter);
}

/** Enters a plugin's function. Returns its decision, undefined for none, or a promise of either. */
type Enter = (first?: unknown, second?: unknown, third?: unknown) => unknown;

/** A tap of a `transform` hook: it gets what those before it made of the first argument. */
function transforming(enter: Enter): GuardedTap {
  const turn = async (waiting: Promise<unknown>, second: unknown, third: unknown): Promise<unknown> => {
    const value = await waiting;
    return (await enter(value, second, third)) ?? value;
  };
  return (soFar, second, third) => {
    if (soFar instanceof Promise) return turn(soFar, second, third);
    const made = enter(soFar, second, third);
    return made instanceof Promise ? made.then((value) => value ?? soFar) : made;
  };
}

/** A tap of all other hooks: it is entered as long as nobody has decided. */
function deciding(enter: Enter): GuardedTap {
  return (soFar, first, second) => {
    if (soFar === undefined) return enter(first, second);
    if (!(soFar instanceof Promise)) return soFar;
    return soFar.then((decision: unknown) => decision ?? enter(first, second));
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** Which request a hook's first argument stands for, for the fault report; names only, no values. */
function requestOf(argument: unknown): string | undefined {
  const { method, name } = (argument ?? {}) as { method?: unknown; name?: unknown };
  if (typeof method === 'string') return method;
  return typeof name === 'string' ? `the call of ${name}` : undefined;
}
