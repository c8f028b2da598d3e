// The hook table: which hooks there are, with what, and in which order taps run. How one runs is hook.ts' business.
import type { PromptEntry, ResourceEntry, ServerStatus, ToolEntry } from './board-api.ts';
import type { AuthenticationContext, Credential, Grant } from './grant.ts';
import type { JsonObject, RpcRequest, ToolResult } from './protocol/messages.ts';
import type { Session } from './session.ts';

/** The order of taps on one hook, and why there are just these. Equal steps run in configuration order. */
export const steps = {
  /** Refuses before anybody spends work: identity, quotas. */
  guard: -200,
  /** Sets the stage for others: adds, imports, defaults. */
  early: -100,
  normal: 0,
  /** Sees what others made of it: selection, renaming. */
  late: 100,
  /** Has the last word: size limits, redaction, order. */
  last: 200,
} as const;

export type Step = keyof typeof steps;

/** For whom a list is made. */
export interface ListContext {
  readonly grant: Grant;
  /** The one server of the endpoint, or undefined for all. */
  readonly server: string | undefined;
}

/** A tool call on its way. */
export interface ToolCall {
  /** The name as the client calls it. */
  readonly name: string;
  readonly server: string;
  readonly tool: string;
  readonly arguments: JsonObject;
  readonly entry: ToolEntry;
}

/** In whose name a request is made. */
export interface CallContext {
  readonly session: Session;
  readonly grant: Grant;
  /** Aborted when the client cancels. */
  readonly signal: AbortSignal;
}

export type CallOutcome = 'ok' | 'tool-error' | 'refused' | 'failed' | 'cancelled';

/** What is known of a call when it is over. */
export interface CallRecord {
  readonly call: Pick<ToolCall, 'name' | 'server' | 'tool'>;
  readonly grant: string;
  readonly session: string;
  readonly outcome: CallOutcome;
  /** Why, for every outcome but `ok`; fit for a log. */
  readonly reason: string | undefined;
  /** ms. */
  readonly duration: number;
}

/** What changed in the catalogue. */
export interface CatalogChange {
  readonly server: string;
  /** Id of the only grant that sees the server; undefined: a common one. */
  readonly owner: string | undefined;
  readonly status: ServerStatus;
}

/** A plugin that has failed too often. */
export interface PluginSwitchedOff {
  readonly plugin: string;
  /** The last fault, fit for a log. */
  readonly reason: string;
}

/** The hooks, each by its kind: `[kind, arguments, result]`. */
export interface HookTable {
  onAuthenticate: ['answer', [credential: Credential, context: AuthenticationContext], Grant];
  onSessionStart: ['notify', [session: Session]];
  onSessionEnd: ['notify', [session: Session]];
  onListTools: ['transform', [tools: readonly ToolEntry[], context: ListContext]];
  onListResources: ['transform', [resources: readonly ResourceEntry[], context: ListContext]];
  onListPrompts: ['transform', [prompts: readonly PromptEntry[], context: ListContext]];
  onCallTool: ['answer', [call: ToolCall, context: CallContext], ToolResult];
  onRequest: ['answer', [request: RpcRequest, context: CallContext], JsonObject];
  onToolResult: ['transform', [result: ToolResult, call: ToolCall, context: CallContext]];
  onCallSettled: ['settle', [record: CallRecord]];
  onCatalogChanged: ['notify', [change: CatalogChange]];
  onPluginSwitchedOff: ['notify', [change: PluginSwitchedOff]];
  onStart: ['notify', []];
  onStop: ['notify', []];
}

export type HookName = keyof HookTable;
export type HookKind = 'answer' | 'notify' | 'transform' | 'settle';
export type HookArguments<Name extends HookName> = HookTable[Name][1];

/** What taps of a hook return: an answer or nothing, the transformed first argument, or nothing at all. */
export type HookResult<Name extends HookName> = HookTable[Name] extends ['answer', unknown[], infer Result]
  ? Result | undefined | void
  : HookTable[Name] extends ['transform', [infer First, ...unknown[]]]
    ? First
    : void;

export type HookFunction<Name extends HookName> = (
  ...args: HookArguments<Name>
) => HookResult<Name> | Promise<HookResult<Name>>;

interface HookEntry<Name extends HookName> {
  readonly kind: HookTable[Name][0];
  /** Names of the arguments, from which the tapable hook is made. */
  readonly args: readonly string[];
  /** When it runs and what it is for, for the reference page. */
  readonly when: string;
}

/** All hooks as data: tapable's hooks and the reference page are made of it. */
export const hookTable: { readonly [Name in HookName]: HookEntry<Name> } = {
  onAuthenticate: {
    kind: 'answer',
    args: ['credential', 'context'],
    when: 'A request arrives with a credential that no configured grant knows, or with none. Answer with the grant it stands for.',
  },
  onSessionStart: {
    kind: 'notify',
    args: ['session'],
    when: 'A client opens a session (old era), or a grant makes its first request on a transport (new era). A failure refuses the client.',
  },
  onSessionEnd: { kind: 'notify', args: ['session'], when: 'A session has ended, for whatever reason.' },
  onListTools: {
    kind: 'transform',
    args: ['tools', 'context'],
    when: 'The tools of a grant are put together. Select, rename, change definitions, reorder. What is not returned cannot be called; nothing can be added.',
  },
  onListResources: {
    kind: 'transform',
    args: ['resources', 'context'],
    when: 'The same for resources, and for resource templates.',
  },
  onListPrompts: { kind: 'transform', args: ['prompts', 'context'], when: 'The same for prompts.' },
  onCallTool: {
    kind: 'answer',
    args: ['call', 'context'],
    when: 'A listed tool is called. Throw `Denied` to refuse, answer with a result to answer in the server’s place, return nothing to let it pass.',
  },
  onRequest: {
    kind: 'answer',
    args: ['request', 'context'],
    when: 'Any other request that goes to a server (`resources/read`, `prompts/get`, `completion/complete`, …). Answer with a result, or let it pass.',
  },
  onToolResult: {
    kind: 'transform',
    args: ['result', 'call', 'context'],
    when: 'A tool has answered. Return the result as it is, or another one: redacted, cut, with something added. It is frozen. Tapping it means that every result is parsed.',
  },
  onCallSettled: {
    kind: 'settle',
    args: ['record'],
    when: 'A call is over: answered, refused, failed or cancelled. For audit and metrics; a failing tap keeps no other from running.',
  },
  onCatalogChanged: { kind: 'notify', args: ['change'], when: 'A server came up, went down, or changed its lists.' },
  onPluginSwitchedOff: {
    kind: 'notify',
    args: ['change'],
    when: 'A plugin has failed so often within a minute that its hooks are not entered any more.',
  },
  onStart: { kind: 'notify', args: [], when: 'All plugins are applied, once after the start.' },
  onStop: { kind: 'notify', args: [], when: 'The proxy is about to stop; plugins are still there.' },
};

/** Names of all hooks, in the order of the reference page. */
export const hookNames = Object.keys(hookTable) as readonly HookName[];

/** The kind of a hook. Throws for a name that is no hook's: plugins are not only written in TypeScript. */
export function hookKind(name: HookName): HookKind {
  if (!Object.hasOwn(hookTable, name))
    throw new Error(`there is no hook "${name}" (there are: ${hookNames.join(', ')})`);
  return hookTable[name].kind;
}
