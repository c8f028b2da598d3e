// Which server runs which task (the tasks extension): learnt from the answers that create tasks. Only a grant's own tasks are found.
import type { Answer } from './protocol/answer.ts';
import { isObject } from './protocol/messages.ts';
import type { RpcRequest } from './protocol/messages.ts';
import type { Caller } from './upstream-call.ts';

const extension = 'io.modelcontextprotocol/tasks';
const maxRemembered = 10_000;

/** Remembers the newest tasks, by grant and task id. */
export class TaskRoutes {
  readonly #servers = new Map<string, string>();

  /** Notes the task that an answer created, if it created one. Parses the answer: only for callers that want tasks. */
  learn(grant: string, server: string, caller: Caller, answer: Answer): void {
    const result = answer.message.result;
    const created = caller.era === 'old' ? result?.['task'] : result?.['resultType'] === 'task' ? result : undefined;
    if (!isObject(created) || typeof created['taskId'] !== 'string') return;
    const [oldest] = this.#servers.keys();
    if (this.#servers.size >= maxRemembered && oldest !== undefined) this.#servers.delete(oldest);
    this.#servers.set(key(grant, created['taskId']), server);
  }

  /** The server that runs a task of the grant. */
  find(grant: string, taskId: unknown): string | undefined {
    return this.#servers.get(key(grant, String(taskId)));
  }
}

/** True when the answer to a request may create a task. */
export function wantsTask(caller: Caller, request: RpcRequest): boolean {
  if (caller.era === 'old') return request.params?.['task'] !== undefined;
  return caller.capabilities['extensions']?.[extension] !== undefined;
}

function key(grant: string, taskId: string): string {
  return `${grant}\0${taskId}`;
}
