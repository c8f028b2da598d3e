// The nine tools: names, schemas, texts and results of the reference memory server (2026.8.31). What they do to a graph lives in `graph.ts`.
import { localTool, z } from 'plugboard';
import type { LocalContext, LocalTool, ToolResult } from 'plugboard';
import * as graph from './graph.ts';
import type { Change, GraphView } from './graph.ts';
import type { GraphStore } from './graph-store.ts';
import { checkArguments } from './limits.ts';
import type { Limits } from './limits.ts';

/** What one lease keeps. */
export interface MemoryLease {
  readonly store: GraphStore;
  readonly limits: Limits;
}

type Context = LocalContext<MemoryLease>;

const entityFields = {
  name: z.string().describe('The name of the entity'),
  entityType: z.string().describe('The type of the entity'),
  observations: z.array(z.string()).describe('An array of observation contents associated with the entity'),
};
const relationFields = {
  from: z.string().describe('The name of the entity where the relation starts'),
  to: z.string().describe('The name of the entity where the relation ends'),
  relationType: z.string().describe('The type of the relation'),
};
// Input objects let unknown members pass (and drop them), output objects are closed: so the reference server declares them.
const entity = z.object(entityFields);
const relation = z.object(relationFields);
const entityOut = z.strictObject(entityFields);
const relationOut = z.strictObject(relationFields);
const graphOut = z.strictObject({ entities: z.array(entityOut), relations: z.array(relationOut) });
const successOut = z.strictObject({ success: z.boolean(), message: z.string() });

const adds = { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false };
const deletes = { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false };
const reads = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

const createTools: LocalTool<MemoryLease>[] = [
  localTool({
    name: 'create_entities',
    title: 'Create Entities',
    description: 'Create multiple new entities in the knowledge graph',
    input: z.object({ entities: z.array(entity) }),
    output: z.strictObject({ entities: z.array(entityOut) }),
    annotations: adds,
    run: async (args, context: Context) => {
      const entities = await changed(args, context, (before) => graph.createEntities(before, args.entities));
      return answer(entities, { entities });
    },
  }),
  localTool({
    name: 'create_relations',
    title: 'Create Relations',
    description:
      'Create multiple new relations between entities in the knowledge graph. Relations should be in active voice',
    input: z.object({ relations: z.array(relation) }),
    output: z.strictObject({ relations: z.array(relationOut) }),
    annotations: adds,
    run: async (args, context: Context) => {
      const relations = await changed(args, context, (before) => graph.createRelations(before, args.relations));
      return answer(relations, { relations });
    },
  }),
  localTool({
    name: 'add_observations',
    title: 'Add Observations',
    description: 'Add new observations to existing entities in the knowledge graph',
    input: z.object({
      observations: z.array(
        z.object({
          entityName: z.string().describe('The name of the entity to add the observations to'),
          contents: z.array(z.string()).describe('An array of observation contents to add'),
        }),
      ),
    }),
    output: z.strictObject({
      results: z.array(z.strictObject({ entityName: z.string(), addedObservations: z.array(z.string()) })),
    }),
    annotations: adds,
    run: async (args, context: Context) => {
      const results = await changed(args, context, (before) => graph.addObservations(before, args.observations));
      return answer(results, { results });
    },
  }),
];

const deleteTools: LocalTool<MemoryLease>[] = [
  localTool({
    name: 'delete_entities',
    title: 'Delete Entities',
    description: 'Delete multiple entities and their associated relations from the knowledge graph',
    input: z.object({ entityNames: z.array(z.string()).describe('An array of entity names to delete') }),
    output: successOut,
    annotations: deletes,
    run: async (args, context: Context) => {
      await changed(args, context, (before) => graph.deleteEntities(before, args.entityNames));
      return success('Entities deleted successfully');
    },
  }),
  localTool({
    name: 'delete_observations',
    title: 'Delete Observations',
    description: 'Delete specific observations from entities in the knowledge graph',
    input: z.object({
      deletions: z.array(
        z.object({
          entityName: z.string().describe('The name of the entity containing the observations'),
          observations: z.array(z.string()).describe('An array of observations to delete'),
        }),
      ),
    }),
    output: successOut,
    annotations: deletes,
    run: async (args, context: Context) => {
      await changed(args, context, (before) => graph.deleteObservations(before, args.deletions));
      return success('Observations deleted successfully');
    },
  }),
  localTool({
    name: 'delete_relations',
    title: 'Delete Relations',
    description: 'Delete multiple relations from the knowledge graph',
    input: z.object({ relations: z.array(relation).describe('An array of relations to delete') }),
    output: successOut,
    annotations: deletes,
    run: async (args, context: Context) => {
      await changed(args, context, (before) => graph.deleteRelations(before, args.relations));
      return success('Relations deleted successfully');
    },
  }),
];

const readTools: LocalTool<MemoryLease>[] = [
  localTool({
    name: 'read_graph',
    title: 'Read Graph',
    description: 'Read the entire knowledge graph',
    input: z.object({}),
    output: graphOut,
    annotations: reads,
    run: async (_args, { state }: Context) => view(await state.store.read()),
  }),
  localTool({
    name: 'search_nodes',
    title: 'Search Nodes',
    description: 'Search for nodes in the knowledge graph based on a query',
    input: z.object({
      query: z.string().describe('The search query to match against entity names, types, and observation content'),
    }),
    output: graphOut,
    annotations: reads,
    run: async (args, { state }: Context) => {
      checkArguments(args, state.limits);
      return view(graph.searchNodes(await state.store.read(), args.query));
    },
  }),
  localTool({
    name: 'open_nodes',
    title: 'Open Nodes',
    description: 'Open specific nodes in the knowledge graph by their names',
    input: z.object({ names: z.array(z.string()).describe('An array of entity names to retrieve') }),
    output: graphOut,
    annotations: reads,
    run: async (args, { state }: Context) => {
      checkArguments(args, state.limits);
      return view(graph.openNodes(await state.store.read(), args.names));
    },
  }),
];

/** All tools, in the order in which the reference server lists them. */
export const tools: readonly LocalTool<MemoryLease>[] = [...createTools, ...deleteTools, ...readTools];

function changed<Result>(
  args: unknown,
  { state, signal }: Context,
  apply: (before: graph.Graph) => Change<Result>,
): Promise<Result> {
  checkArguments(args, state.limits);
  return state.store.change(apply, signal);
}

function answer(shown: unknown, structuredContent: Record<string, unknown>): ToolResult {
  return { content: [{ type: 'text', text: JSON.stringify(shown, undefined, 2) }], structuredContent };
}

function success(message: string): ToolResult {
  return { content: [{ type: 'text', text: message }], structuredContent: { success: true, message } };
}

function view({ entities, relations }: GraphView): ToolResult {
  return answer({ entities, relations }, { entities, relations });
}
