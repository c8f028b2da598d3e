// Which server runs which task (the tasks extension): learnt from the answers that create tasks. Only a grant's own tasks are found.
import { Answer } from './protocol/answer.ts';
import { isObject, rpcCode } from './protocol/messages.ts';
import type { RpcRequest } from './protocol/messages.ts';
import type { Server } from './server.ts';
import type { Caller } from './upstream-call.ts';

const extension = 'io.modelcontextprotocol/tasks';
const maxRemembered = 10_000;

/** Remembers the newest tasks, by grant, task id and server. */
export class TaskRoutes {
  /** Servers by grant and task id, the newest last: two servers may give the same id. */
  readonly #servers = new Map<string, readonly string[]>();

  /** Notes the task that an answer created, if it created one. Parses the answer: only for callers that want tasks. */
  learn(grant: string, server: string, caller: Caller, answer: Answer): void {
    const result = answer.message.result;
    const created = caller.era === 'old' ? result?.['task'] : result?.['resultType'] === 'task' ? result : undefined;
    if (!isObject(created) || typeof created['taskId'] !== 'string') return;
    const id = key(grant, created['taskId']);
    const others = this.#servers.get(id)?.filter((each) => each !== server) ?? [];
    this.#servers.delete(id);
    const [oldest] = this.#servers.keys();
    if (this.#servers.size >= maxRemembered && oldest !== undefined) this.#servers.delete(oldest);
    this.#servers.set(id, [...others, server]);
  }

  /** The server that runs a task of the grant; the one that gave the id last. */
  find(grant: string, taskId: string): string | undefined {
    return this.#servers.get(key(grant, taskId))?.at(-1);
  }

  /** True when the grant has made a task of this id at this server. */
  has(grant: string, taskId: string, server: string): boolean {
    return this.#servers.get(key(grant, taskId))?.includes(server) === true;
  }
}

/** True when the answer to a request may create a task. */
export function wantsTask(caller: Caller, request: RpcRequest): boolean {
  return caller.era === 'old' ? request.params?.['task'] !== undefined : declaresTasks(caller);
}

/** The refusal of a new-era caller that speaks of tasks without having declared them (2026-07-28, tasks extension); undefined for others. */
export function undeclared(caller: Caller): Answer | undefined {
  if (caller.era === 'old' || declaresTasks(caller)) return undefined;
  const text = `Missing required client capability: extensions["${extension}"]`;
  return Answer.error(rpcCode.missingCapability, text, { requiredCapabilities: { extensions: { [extension]: {} } } });
}

function declaresTasks(caller: Caller): boolean {
  return caller.capabilities['extensions']?.[extension] !== undefined;
}

/**
 * True when a server cannot tell the tasks of one grant from those of another: one connection serves all grants, or, in the new era,
 * there are no sessions that a task could belong to.
 */
export function mixesTasks({ definition, era }: Server): boolean {
  return definition.isolation === 'shared' || era !== 'old';
}

function key(grant: string, taskId: string): string {
  return `${grant}\0${taskId}`;
}
