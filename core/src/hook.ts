// One hook of one generation, and the only import of tapable. Who may tap and how a tap is guarded is the scope's business.
import { SyncWaterfallHook } from 'tapable';
import { hookNames, hookTable, steps } from './hooks.ts';
import type { HookArguments, HookName, HookResult, Step } from './hooks.ts';

/**
 * A tap as tapable calls it, with what was decided before it. Returns its own decision, undefined to let that one stand, or a promise
 * of either; throws what ends the hook.
 */
export type GuardedTap = (soFar: unknown, second?: unknown, third?: unknown) => unknown;

interface TapableHook {
  tap(options: { name: string; stage: number }, tap: GuardedTap): void;
  call(soFar: unknown, second?: unknown, third?: unknown): unknown;
  isUsed(): boolean;
}

/**
 * Runs the taps of a hook, one after the other. Every hook is a waterfall: what has been decided so far goes from tap to tap, and is
 * a promise from the first tap on that returns one. tapable's asynchronous kinds would make two closures for each tap at each call.
 */
export class Hook<Name extends HookName> {
  readonly #taps: TapableHook;
  /** A transform hook decides about its first argument; the others begin with no decision. */
  readonly #transforms: boolean;

  constructor(name: Name) {
    const { kind, args } = hookTable[name];
    this.#transforms = kind === 'transform';
    // The class types its arguments by literal names, which a table cannot give.
    const names = this.#transforms ? args : ['soFar', ...args];
    this.#taps = new SyncWaterfallHook(names as never);
  }

  /** Adds a guarded tap. */
  tap(plugin: string, step: Step, tap: GuardedTap): void {
    this.#taps.tap({ name: plugin, stage: steps[step] }, tap);
  }

  /** True when anybody taps it: the caller skips all its work otherwise. */
  get used(): boolean {
    return this.#taps.isUsed();
  }

  /**
   * Resolves with the first answer or undefined for an `answer` hook, with the transformed first argument for a `transform` hook, with
   * undefined for the others. Rejects with the first tap's `PluginError` or `Denied`.
   */
  async run(...args: HookArguments<Name>): Promise<HookResult<Name>> {
    return this.now(...args);
  }

  /** The same for what every call passes: a promise only where a tap has returned one. Throws what {@link run} rejects with. */
  now(...args: HookArguments<Name>): HookResult<Name> | Promise<HookResult<Name>>;
  // Without rest parameters: calls pass here.
  now(first?: unknown, second?: unknown, third?: unknown): unknown {
    return this.#transforms ? this.#taps.call(first, second, third) : this.#taps.call(undefined, first, second);
  }
}

/** The hooks of one generation, by name. */
export type Hooks = { readonly [Name in HookName]: Hook<Name> };

/** Hooks that nobody taps yet. tapable cannot untap, so a change of plugins makes new ones. */
export function createHooks(): Hooks {
  return Object.fromEntries(hookNames.map((name) => [name, new Hook(name)])) as unknown as Hooks;
}
