// Routes of the management API: tasks themselves, their phase, their tools, their journal.
import { pageOf, Problem, route, z } from 'plugboard';
import type { Route } from 'plugboard';
import { versionOf } from '../engine/record.ts';
import { idOf } from '../engine/object.ts';
import type { ReadObject } from '../engine/object.ts';
import { maxObjectBytes } from '../schema/bounds.ts';
import type { Desk } from './desk.ts';
import { journalResult, manifest, page, pageQuery, phaseBody, taskParams, taskResult, toolResult } from './schemas.ts';
import { line, shown } from './shown.ts';

/** JSON escapes may make a manifest longer than it is. */
const maxBody = 2 * maxObjectBytes;

export function taskRoutes(desk: Desk): Route[] {
  const { tasks, requests, board } = desk;
  return [
    route({
      method: 'GET',
      path: '/tasks',
      role: 'viewer',
      operation: 'listTasks',
      summary: 'Lists tasks by id',
      query: z.strictObject({
        ...pageQuery,
        source: z.enum(['folder', 'api', 'kubernetes']).optional(),
        phase: phaseBody.shape.phase.optional(),
      }),
      result: page(taskResult),
      run: ({ query }) => {
        const { source, phase } = query;
        const fitting = tasks
          .all()
          .filter(
            ({ record }) => (source ?? record.source) === record.source && (phase ?? record.phase) === record.phase,
          );
        const { items, next } = pageOf(fitting, ({ id }) => id, query);
        return { body: { items: items.map((entry) => line(desk.current(entry))), next } };
      },
    }),
    route({
      method: 'POST',
      path: '/tasks',
      role: 'operator',
      operation: 'createTask',
      summary: 'Creates a task of a manifest',
      description: 'Refused when there is one of that name; PUT replaces it.',
      body: manifest,
      result: taskResult,
      maxBody,
      run: async ({ body, actor }) => {
        const read = readable(desk, body);
        if (tasks.get(idOf(read)) !== undefined)
          throw new Problem(
            409,
            'task-exists',
            `there is a task "${idOf(read)}" already; PUT /tasks/${encodeURIComponent(idOf(read))} replaces it`,
          );
        const entry = await desk.apply(body, actor.name);
        const location = `/tasks/${encodeURIComponent(entry.id)}`;
        return { status: 201, body: shown(entry), version: versionOf(entry.record), location };
      },
    }),
    route({
      method: 'GET',
      path: '/tasks/:id',
      role: 'viewer',
      operation: 'getTask',
      summary: 'Shows a task: what was asked for, what has changed since, how it stands',
      params: taskParams,
      result: taskResult,
      run: ({ params }) => {
        const entry = desk.current(tasks.find(params.id));
        return { body: shown(entry), version: versionOf(entry.record) };
      },
    }),
    route({
      method: 'PUT',
      path: '/tasks/:id',
      role: 'operator',
      operation: 'applyTask',
      summary: 'Creates a task, or replaces its manifest; live changes stay',
      params: taskParams,
      body: manifest,
      result: taskResult,
      maxBody,
      run: async ({ params, body, actor, ifMatch }) => {
        const read = readable(desk, body);
        const id = idOf(read);
        if (params.id !== id && params.id !== `default/${id}`)
          throw new Problem(422, 'task-id-mismatch', `the path names "${params.id}", the manifest "${id}"`);
        const before = tasks.get(id);
        if (before !== undefined) desk.mayChange(before, 'change');
        if (ifMatch !== undefined && (before === undefined || versionOf(before.record) !== ifMatch))
          throw new Problem(412, 'version-mismatch', `task ${id} has another version than ${ifMatch}: read it again`);
        const entry = await desk.apply(body, actor.name);
        const location = `/tasks/${encodeURIComponent(id)}`;
        return {
          status: before === undefined ? 201 : 200,
          body: shown(entry),
          version: versionOf(entry.record),
          location,
        };
      },
    }),
    route({
      method: 'DELETE',
      path: '/tasks/:id',
      role: 'operator',
      operation: 'deleteTask',
      summary: 'Deletes a task: its token is refused from now on, its sessions end',
      params: taskParams,
      run: async ({ params, actor, ifMatch }) => {
        const entry = tasks.find(params.id);
        desk.mayChange(entry, 'delete');
        await desk.intake.delete(entry, `api:${actor.name}`, ifMatch);
        return {};
      },
    }),
    route({
      method: 'PUT',
      path: '/tasks/:id/phase',
      role: 'operator',
      operation: 'setTaskPhase',
      summary: 'Says how far the run of a task is',
      description: 'With Succeeded and Failed its token expires after the configured grace.',
      params: taskParams,
      body: phaseBody,
      result: taskResult,
      run: async ({ params, body, actor, ifMatch }) => {
        const entry = tasks.find(params.id);
        const asker = { by: `api:${actor.name}`, expected: ifMatch };
        const record = await requests.setPhase(entry, body.phase, body.message, asker);
        return { body: shown(desk.current(entry)), version: versionOf(record) };
      },
    }),
    route({
      method: 'GET',
      path: '/tasks/:id/tools',
      role: 'viewer',
      operation: 'listTaskTools',
      summary: 'Lists the tools that the agent of a task sees now',
      params: taskParams,
      query: z.strictObject(pageQuery),
      result: page(toolResult),
      run: async ({ params, query }) => {
        const tools = await board.tools(tasks.find(params.id).grant);
        const { items, next } = pageOf(tools, ({ name }) => name, query);
        return {
          body: {
            items: items.map(({ name, server, tool, definition }) => shownTool(name, server, tool, definition)),
            next,
          },
        };
      },
    }),
    route({
      method: 'GET',
      path: '/tasks/:id/journal',
      role: 'viewer',
      operation: 'listTaskJournal',
      summary: 'Lists who did what to a task, when and why, oldest first',
      params: taskParams,
      query: z.strictObject({
        ...pageQuery,
        after: z.coerce.number().int().min(0).default(0).describe('Number of the last entry that was read'),
      }),
      result: page(journalResult),
      run: async ({ params, query: { after, limit } }) => {
        const entries = await tasks.journal.list(tasks.find(params.id), after, limit + 1);
        const items = entries.slice(0, limit);
        return { body: { items, next: entries.length > limit ? String(items.at(-1)?.number) : undefined } };
      },
    }),
  ];
}

function readable(desk: Desk, body: unknown): ReadObject {
  const read = desk.read(body);
  if ('problems' in read)
    throw new Problem(422, 'task-invalid', read.problems.join('; '), { problems: [...read.problems] });
  return read;
}

function shownTool(name: string, server: string, tool: string, definition: { readonly [member: string]: unknown }) {
  const { description, inputSchema, annotations } = definition;
  return { name, server, tool, description, inputSchema, annotations };
}
