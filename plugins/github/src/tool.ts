// One tool as the files of `tools/` write it: what it is told, what it returns, and how it becomes a tool of the server.
import { localTool } from 'plugboard';
import type { JsonObject, LocalTool, ToolResult, z } from 'plugboard';
import type { Ask, Method, Reply } from './api/ask.ts';
import type { GitHub } from './api/github.ts';
import type { Place } from './api/place.ts';
import type { Toolset } from './options.ts';

/** What one lease keeps. */
export interface Lease {
  readonly github: GitHub;
  /** Bytes of one result. */
  readonly maxResultBytes: number;
}

/** What a tool does to GitHub. */
export type Effect = 'reads' | 'adds' | 'changes' | 'removes' | 'acts';

/** GitHub for the time of one call. */
export interface Call {
  readonly maxResultBytes: number;
  get(place: Place, query?: Ask['query']): Promise<Reply>;
  send(method: Exclude<Method, 'GET'>, place: Place, body?: JsonObject): Promise<Reply>;
  ask(ask: Ask): Promise<Reply>;
}

interface ToolInit<Input extends z.ZodObject, Output extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly output: Output;
  readonly effect: Effect;
  run(args: z.output<Input>, call: Call, output: Output): Promise<ToolResult>;
}

/** A tool and the group that it is chosen by. */
export interface GitHubTool {
  readonly toolset: Toolset;
  readonly tool: LocalTool<Lease>;
}

const annotations: Readonly<Record<Effect, JsonObject>> = {
  reads: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: true },
  adds: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  // What was there before is overwritten.
  changes: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  removes: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: true },
  // Starts something that cannot be taken back and happens again at each call.
  acts: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: true },
};

/** The tools of one group. */
export function group(toolset: Toolset, ...tools: LocalTool<Lease>[]): GitHubTool[] {
  return tools.map((tool) => ({ toolset, tool }));
}

export function tool<Input extends z.ZodObject, Output extends z.ZodObject>(
  init: ToolInit<Input, Output>,
): LocalTool<Lease> {
  const { name, title, description, input, output, effect } = init;
  return localTool<Lease, Input>({
    name,
    title,
    description,
    input,
    output,
    annotations: annotations[effect],
    run: (args, { state, signal }) => init.run(args, callOf(state, signal), output),
  });
}

function callOf({ github, maxResultBytes }: Lease, signal: AbortSignal): Call {
  return {
    maxResultBytes,
    get: (place, query) => github.get(place, signal, query),
    send: (method, place, body) => github.send(method, place, signal, body),
    ask: (ask) => github.ask(ask, signal),
  };
}
