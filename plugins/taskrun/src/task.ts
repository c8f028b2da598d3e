// What the parts of this plugin say to each other about a task: what a source delivers, what a task is, how it stands. Types only.
import type { JsonObject, Rules, SelectorReport } from 'plugboard';

/** Where a task's object comes from. An id belongs to one source; another that brings the same id is refused. */
export type SourceName = 'folder' | 'api' | 'kubernetes';

/** An object as a source found it, not yet validated. */
export interface SourceObject {
  readonly source: SourceName;
  /** For messages: a path with line, `namespace/name`, or who sent it. */
  readonly origin: string;
  /** The whole manifest: apiVersion, kind, metadata, spec. */
  readonly object: unknown;
}

/** Takes what sources bring. All methods resolve when the change is in force and kept. */
export interface TaskSink {
  /** A new or changed object. Resolves with its task, or undefined when it was refused; the reason is then the source's to show. */
  put(found: SourceObject): Promise<{ readonly id: string } | { readonly refused: string }>;
  /** An object is gone: its token is refused from now on. */
  remove(source: SourceName, id: string): Promise<void>;
  /** Everything that a source has, after it has looked at all of it: tasks of this source that are not among them are gone. */
  synchronized(source: SourceName, ids: ReadonlySet<string>): Promise<void>;
}

/** Something that finds tasks. */
export interface TaskSource {
  readonly name: SourceName;
  /** Starts looking; resolves when everything that is there has been put. Later changes follow until `stop`. */
  start(sink: TaskSink): Promise<void>;
  stop(): Promise<void>;
  /** Called when the status of one of its tasks has changed, at most a few times a second. */
  report?(task: Task): void;
  /** Called for refusals, escalations and the like; no secrets. */
  event?(task: Task, event: TaskEvent): void;
}

/** Something worth telling whoever watches a task. */
export interface TaskEvent {
  readonly type: 'Normal' | 'Warning';
  /** CamelCase: `ToolRefused`, `EscalationRequested`, `ToolsChanged`, … */
  readonly reason: string;
  readonly message: string;
}

export type Phase = 'Pending' | 'Running' | 'Succeeded' | 'Failed';

/** Rules for internal tools of the agent, as Claude Code's permission rules (`Bash(npm run test:*)`). */
export interface InternalTools {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** One entry of `toolConfig.mcpServers`. */
export interface TaskServer {
  readonly name: string;
  readonly enabled: boolean;
  readonly tools: Rules;
  /** An entry in the format of `mcpServers`: a server that only this task has. Undefined: one that the proxy serves anyway. */
  readonly definition: JsonObject | undefined;
}

export interface EscalationPolicy {
  readonly mode: 'auto' | 'allowlist' | 'review';
  /** Selectors that may be granted (`allowlist`), and those that never are. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** A task's object in one shape, whichever kind it had. */
export interface TaskSpec {
  readonly kind: 'TaskRun' | 'CodeRun';
  readonly taskId: number;
  readonly serviceName: string;
  readonly agentName: string;
  readonly model: string | undefined;
  /** As written; live changes count on from here. */
  readonly contextVersion: number;
  readonly markdownFiles: readonly {
    readonly filename: string;
    readonly content: string;
    readonly fileType: string | undefined;
  }[];
  readonly workingDirectory: string | undefined;
  readonly internalTools: InternalTools;
  readonly servers: readonly TaskServer[];
  /** Selectors of the whole task: presets, `remoteTools` and the servers' own rules, put together. */
  readonly tools: Rules;
  /** What live changes and escalations may never exceed. */
  readonly ceiling: Rules;
  readonly escalation: EscalationPolicy;
  /** Absolute folder, when the object names one. */
  readonly workspace: string | undefined;
}

/** One line of a task's journal: who did what, when and why. */
export interface JournalEntry {
  /** Counts up from 1. */
  readonly number: number;
  /** ISO 8601. */
  readonly at: string;
  /** `api:NAME`, `agent`, `folder`, `kubernetes`, `proxy`. */
  readonly by: string;
  readonly action:
    | 'created'
    | 'changed'
    | 'context'
    | 'escalation-requested'
    | 'escalation-granted'
    | 'escalation-refused'
    | 'token-created'
    | 'token-rotated'
    | 'token-revoked'
    | 'phase'
    | 'deleted';
  readonly reason: string | undefined;
  readonly contextVersion: number;
  readonly enabled?: readonly string[] | undefined;
  readonly disabled?: readonly string[] | undefined;
}

/** A request of the agent for more tools. */
export interface Escalation {
  /** Unique within the proxy. */
  readonly id: string;
  readonly task: string;
  readonly tools: readonly string[];
  readonly reason: string;
  readonly requestedAt: string;
  readonly state: 'pending' | 'granted' | 'refused';
  readonly decidedBy: string | undefined;
  readonly decidedAt: string | undefined;
  readonly comment: string | undefined;
}

/** Condition `ToolsReady` and its like (Kubernetes API conventions). */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
}

export interface TaskStatus {
  readonly phase: Phase;
  readonly message: string | undefined;
  readonly conditions: readonly Condition[];
  /** Each selector of the task: ready, or why not. */
  readonly tools: readonly SelectorReport[];
  readonly calls: number;
  readonly refusals: number;
  /** ISO 8601. */
  readonly lastActivity: string | undefined;
  readonly contextVersion: number;
  readonly pendingEscalations: number;
  readonly tokenExpiresAt: string | undefined;
}

/** A task as it stands: what was asked for, and what has changed since. */
export interface Task {
  /** `metadata.name`; with a namespace other than `default`: `namespace/name`. */
  readonly id: string;
  /** Of this object: another one of the same name has another. State that belongs to the task is kept by it. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly source: SourceName;
  readonly origin: string;
  /** The manifest as delivered. */
  readonly object: JsonObject;
  readonly spec: TaskSpec;
  /** Selectors enabled and disabled since, in force over `spec.tools` (a selector stands in one of them). */
  readonly enabled: readonly string[];
  readonly disabled: readonly string[];
  readonly contextVersion: number;
  /** Appended by add-context, oldest first. */
  readonly context: readonly {
    readonly at: string;
    readonly by: string;
    readonly version: number;
    readonly text: string;
  }[];
  readonly status: TaskStatus;
  /** Changes with every change of anything but `status`; for `If-Match`. */
  readonly version: number;
}

/** What rendering needs to know of a task. */
export interface RenderInput {
  readonly task: Task;
  /** Name of the proxy in clients: `mcp__<proxy>__`. */
  readonly proxy: string;
  /** Where the agent reaches the proxy: URL of `/mcp`. */
  readonly url: string;
  /** URL of the PreToolUse hook. */
  readonly hookUrl: string;
  /** Exposed names of the tools that the task sees now. */
  readonly tools: readonly string[];
}
