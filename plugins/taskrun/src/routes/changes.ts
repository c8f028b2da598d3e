// Routes of the management API: live changes of a task. Context and tools, its token, requests of its agent.
import { pageOf, route, z } from 'plugboard';
import type { Route } from 'plugboard';
import type { TaskEntry } from '../engine/entry.ts';
import type { ContextRequest } from '../engine/requests.ts';
import { versionOf } from '../engine/record.ts';
import { contextText as textOf } from '../server/context-text.ts';
import type { Desk } from './desk.ts';
import {
  contextBody,
  contextResult,
  contextText,
  decisionBody,
  escalationResult,
  page,
  pageQuery,
  taskParams,
  tokenBody,
  toolsBody,
} from './schemas.ts';

interface Asked {
  readonly actor: { readonly name: string };
  readonly ifMatch: string | undefined;
}

export function changeRoutes(desk: Desk): Route[] {
  return [...contextRoutes(desk), ...tokenRoutes(desk), ...escalationRoutes(desk)];
}

const askerOf = ({ actor, ifMatch }: Asked) => ({ by: `api:${actor.name}`, expected: ifMatch });

function contextRoutes({ tasks, requests }: Desk): Route[] {
  const change = async (id: string, wanted: ContextRequest, asked: Asked) => {
    const entry = tasks.find(id);
    const body = await requests.addContext(entry, wanted, askerOf(asked));
    return { body, version: versionOf(entry.record) };
  };
  const addContext = (path: string, operation: string, summary: string) =>
    route({
      method: 'POST',
      path,
      role: 'operator',
      operation,
      summary,
      description:
        'In force on all open connections at once; the agent is told and need not be started again. Nothing is enabled beyond the ceiling.',
      params: taskParams,
      body: contextBody,
      result: contextResult,
      run: (asked) => change(asked.params.id, asked.body, asked),
    });
  const switching = (word: 'enable' | 'disable') =>
    route({
      method: 'POST',
      path: `/tasks/:id/tools/${word}`,
      role: 'operator',
      operation: `${word}TaskTools`,
      summary: `Switches tools of a task ${word === 'enable' ? 'on' : 'off'} while it runs`,
      params: taskParams,
      body: toolsBody,
      result: contextResult,
      run: (asked) => {
        const { tools, reason } = asked.body;
        return change(asked.params.id, { [`${word}_tools`]: tools, reason }, asked);
      },
    });
  return [
    addContext('/tasks/:id/context', 'addTaskContext', 'Adds context to a task and switches its tools while it runs'),
    addContext(
      '/pm/tasks/:id/context',
      'addTaskContextByNumber',
      'The same under the path that orchestrators use; the id is usually the taskId',
    ),
    route({
      method: 'GET',
      path: '/tasks/:id/context',
      role: 'viewer',
      operation: 'getTaskContext',
      summary: 'Shows the context of a task as its agent reads it',
      params: taskParams,
      result: contextText,
      run: ({ params }) => {
        const entry = tasks.find(params.id);
        const { contextVersion, context } = entry.record;
        const body = { id: entry.id, contextVersion, text: textOf(entry), parts: context };
        return { body, version: versionOf(entry.record) };
      },
    }),
    switching('enable'),
    switching('disable'),
  ];
}

function tokenRoutes({ tasks, requests }: Desk): Route[] {
  return [
    route({
      method: 'POST',
      path: '/tasks/:id/token',
      role: 'operator',
      operation: 'createTaskToken',
      summary: 'Makes the token of a task; the one before it is refused from now on',
      description: 'The token is in this answer and nowhere else: only its hash is kept.',
      params: taskParams,
      body: tokenBody,
      result: z.strictObject({ id: z.string(), token: z.string(), expiresAt: z.string().optional() }),
      secret: true,
      run: async (asked) => {
        const entry = tasks.find(asked.params.id);
        const token = await requests.mint(entry, asked.body, askerOf(asked));
        const body = { id: entry.id, token, expiresAt: entry.status().tokenExpiresAt };
        return { status: 201, body, version: versionOf(entry.record) };
      },
    }),
    route({
      method: 'DELETE',
      path: '/tasks/:id/token',
      role: 'operator',
      operation: 'revokeTaskToken',
      summary: 'Refuses the token of a task from now on and ends its sessions',
      params: taskParams,
      run: async (asked) => {
        await requests.revoke(tasks.find(asked.params.id), askerOf(asked));
        return {};
      },
    }),
  ];
}

function escalationRoutes({ tasks, requests }: Desk): Route[] {
  return [
    route({
      method: 'GET',
      path: '/escalations',
      role: 'viewer',
      operation: 'listEscalations',
      summary: 'Lists requests of agents for tools: those that wait, and the newest that were decided',
      query: z.strictObject({
        ...pageQuery,
        state: z.enum(['pending', 'granted', 'refused']).optional(),
        task: z.string().max(400).optional().describe('Only those of this task'),
      }),
      result: page(escalationResult),
      run: ({ query }) => {
        const { state, task } = query;
        const of: readonly TaskEntry[] = task === undefined ? tasks.all() : [tasks.find(task)];
        const all = of
          .flatMap(({ record }) => record.escalations)
          .filter((each) => (state ?? each.state) === each.state);
        return { body: pageOf(all, ({ requestedAt, id }) => `${requestedAt} ${id}`, query) };
      },
    }),
    route({
      method: 'POST',
      path: '/escalations/:id',
      role: 'operator',
      operation: 'decideEscalation',
      summary: 'Grants or refuses what an agent has asked for; never beyond the ceiling of its task',
      params: z.strictObject({ id: z.string().min(1).max(100) }),
      body: decisionBody,
      result: escalationResult,
      run: async (asked) => {
        const { decision, comment } = asked.body;
        return {
          body: await requests.decide(asked.params.id, { grant: decision === 'grant', comment }, askerOf(asked)),
        };
      },
    }),
  ];
}
