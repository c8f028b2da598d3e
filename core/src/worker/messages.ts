// What the proxy and a plugin's worker say to each other. Types only; how it travels: `channel.ts`.
import type { ListenFilter, LeaseKey, ServerDefinition, ServerInfo } from '../connection.ts';
import type { Problem } from '../config-problems.ts';
import type { HookName, Step } from '../hooks.ts';
import type { Log } from '../plugin.ts';
import type {
  Capabilities,
  Era,
  Implementation,
  JsonObject,
  RpcNotification,
  RpcRequest,
  RpcResponse,
  Tool,
} from '../protocol/messages.ts';
import type { CancelReason } from '../upstream-call.ts';
import type { CrossedError } from './crossing-errors.ts';

/** What a plugin says of itself. */
export type Description = {
  readonly id: string;
  readonly apiVersion: number;
  readonly title: string | undefined;
  readonly description: string | undefined;
  readonly needs: readonly string[];
  readonly wants: readonly string[];
  readonly provides: readonly string[];
  readonly exclusive: boolean;
  readonly whenSwitchedOff: 'closed' | 'open';
  readonly takesOptions: boolean;
  /** JSON Schema of its options, where it can be had. */
  readonly schema: JsonObject | undefined;
};

/** A hook that the plugin taps; hooks are called by their place in the list. */
export type TapNote = { readonly hook: HookName; readonly step: Step };

/** A server of the plugin. */
export type ServerNote = Pick<
  ServerDefinition,
  'name' | 'title' | 'kind' | 'asks' | 'owner' | 'isolation' | 'timeout' | 'maxTimeout'
> & { readonly id: number };

/** A call to a server of the plugin. */
export type CallNote = {
  readonly id: number;
  readonly method: string;
  readonly params: JsonObject | undefined;
  readonly caller: {
    readonly era: Era;
    readonly protocolVersion: string;
    readonly capabilities: Capabilities;
    readonly clientInfo: Implementation | undefined;
    readonly logLevel: string | undefined;
  };
  readonly tool: Tool | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** True when the client can be asked on behalf of the call. */
  readonly canAsk: boolean;
};

/** What a hook returned: its own first argument, entries of it by their place, or something new. */
export type HookAnswer =
  | { readonly same: true }
  | { readonly items: readonly (number | { readonly value: unknown })[] }
  | { readonly value: unknown };

/** Where something went wrong: in which hook or server, and during which request. */
export type Where = { readonly hook: string; readonly request: string | undefined };

/** What the proxy says to the worker. */
export type ToWorker = {
  readonly asks: {
    readonly load: [{ readonly key: string; readonly file: string }, Description];
    readonly check: [{ readonly options: JsonObject }, readonly Problem[]];
    readonly apply: [
      { readonly options: JsonObject; readonly directory: string; readonly reserved: readonly string[] },
      { readonly taps: readonly TapNote[] },
    ];
    readonly hook: [
      { readonly tap: number; readonly args: readonly unknown[]; readonly request: string | undefined },
      HookAnswer,
    ];
    readonly open: [
      { readonly server: number; readonly connection: number; readonly key: LeaseKey },
      { readonly era: Era; readonly info: ServerInfo; readonly separate: boolean | undefined },
    ];
    readonly close: [{ readonly connection: number }, void];
    readonly stop: [undefined, void];
    /** Bytes in use: objects, and what stands outside of the heap for them. */
    readonly ping: [undefined, { readonly used: number }];
  };
  readonly tells: {
    readonly send: { readonly connection: number; readonly call: CallNote };
    readonly cancel: { readonly call: number; readonly reason: CancelReason };
    readonly notify: { readonly connection: number; readonly method: string; readonly params: JsonObject | undefined };
    readonly listen: { readonly connection: number; readonly filter: ListenFilter };
  };
};

/** What the worker says to the proxy. */
export type ToHost = {
  readonly asks: {
    /** A server asks the client of a call. */
    readonly ask: [{ readonly call: number; readonly message: RpcRequest }, RpcResponse];
    /** A server asks on behalf of no call. */
    readonly request: [{ readonly connection: number; readonly message: RpcRequest }, RpcResponse];
  };
  readonly tells: {
    readonly log: { readonly level: keyof Log; readonly message: string; readonly fields: object | undefined };
    readonly register: ServerNote;
    readonly unregister: { readonly server: number };
    readonly notification: { readonly connection: number; readonly message: RpcNotification };
    readonly closed: { readonly connection: number; readonly reason: CrossedError };
    readonly progress: { readonly call: number; readonly message: RpcNotification };
    /** JSON of the whole response. */
    readonly answer: { readonly call: number; readonly bytes: Uint8Array; readonly status: number | undefined };
    readonly failed: { readonly call: number; readonly error: CrossedError };
    /** Something that nobody caught; `fatal`: the worker is about to end of it. */
    readonly fault: { readonly error: CrossedError; readonly where: Where | undefined; readonly fatal: boolean };
  };
};
