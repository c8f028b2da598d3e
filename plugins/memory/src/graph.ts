// The knowledge graph and what can be done to it, as pure functions: a graph is never changed, a change makes a new one. No files here.

/** A node. Its shape is the one that tools receive, return and store. */
export interface Entity {
  readonly name: string;
  readonly entityType: string;
  readonly observations: readonly string[];
}

/** A directed edge between two names; neither needs to exist as an entity. */
export interface Relation {
  readonly from: string;
  readonly to: string;
  readonly relationType: string;
}

/** What a reader sees. */
export interface GraphView {
  readonly entities: readonly Entity[];
  readonly relations: readonly Relation[];
}

export interface Graph extends GraphView {
  /** Lines of the file whose `type` this version does not know; they are kept as they are. */
  readonly foreign: readonly string[];
}

/** The outcome of a change: the graph after it, what the tool answers, and the entities that were made or grew. */
export interface Change<Result> {
  readonly graph: Graph;
  readonly result: Result;
  readonly grown: readonly Entity[];
}

export interface ObservationsAdded {
  readonly entityName: string;
  readonly addedObservations: readonly string[];
}

export const emptyGraph: Graph = Object.freeze({ entities: [], relations: [], foreign: [] });

/** Adds the entities whose names are new. Names that repeat within one call are all added, as the reference server does. */
export function createEntities(graph: Graph, entities: readonly Entity[]): Change<readonly Entity[]> {
  const known = new Set(graph.entities.map((entity) => entity.name));
  const created = entities.filter((entity) => !known.has(entity.name));
  if (created.length === 0) return { graph, result: created, grown: [] };
  return { graph: { ...graph, entities: [...graph.entities, ...created] }, result: created, grown: created };
}

/** Adds the relations that are new. Repeats within one call are all added, as the reference server does. */
export function createRelations(graph: Graph, relations: readonly Relation[]): Change<readonly Relation[]> {
  const known = new Set(graph.relations.map(relationKey));
  const created = relations.filter((relation) => !known.has(relationKey(relation)));
  if (created.length === 0) return { graph, result: created, grown: [] };
  return { graph: { ...graph, relations: [...graph.relations, ...created] }, result: created, grown: [] };
}

/**
 * Adds to each named entity the observations that it does not have. Throws, and changes nothing, when an entity does not exist.
 * Where a name is there twice, the first one is meant.
 */
export function addObservations(
  graph: Graph,
  additions: readonly { readonly entityName: string; readonly contents: readonly string[] }[],
): Change<readonly ObservationsAdded[]> {
  const editor = new FirstByName(graph.entities);
  const result = additions.map(({ entityName, contents }) => {
    const entity = editor.get(entityName);
    if (entity === undefined) throw new Error(`Entity with name ${entityName} not found`);
    const known = new Set(entity.observations);
    const added = contents.filter((content) => !known.has(content));
    if (added.length > 0) editor.replace({ ...entity, observations: [...entity.observations, ...added] });
    return { entityName, addedObservations: added };
  });
  return { graph: editor.changed ? { ...graph, entities: editor.entities } : graph, result, grown: editor.replaced };
}

/** Deletes the entities of these names and every relation that touches one of them. */
export function deleteEntities(graph: Graph, names: readonly string[]): Change<undefined> {
  const gone = new Set(names);
  const entities = graph.entities.filter((entity) => !gone.has(entity.name));
  const relations = graph.relations.filter((relation) => !gone.has(relation.from) && !gone.has(relation.to));
  return deletion(graph, entities, relations);
}

/** Deletes observations. Names that do not exist are passed over; where a name is there twice, the first one is meant. */
export function deleteObservations(
  graph: Graph,
  deletions: readonly { readonly entityName: string; readonly observations: readonly string[] }[],
): Change<undefined> {
  const editor = new FirstByName(graph.entities);
  for (const { entityName, observations } of deletions) {
    const entity = editor.get(entityName);
    const gone = new Set(observations);
    if (entity?.observations.some((each) => gone.has(each))) {
      editor.replace({ ...entity, observations: entity.observations.filter((each) => !gone.has(each)) });
    }
  }
  return { graph: editor.changed ? { ...graph, entities: editor.entities } : graph, result: undefined, grown: [] };
}

/** Deletes the relations that are equal in all three parts. */
export function deleteRelations(graph: Graph, relations: readonly Relation[]): Change<undefined> {
  const gone = new Set(relations.map(relationKey));
  const left = graph.relations.filter((relation) => !gone.has(relationKey(relation)));
  return deletion(graph, graph.entities, left);
}

/** The entities whose name, type or an observation contains the text (case-insensitive), and the relations that touch them. */
export function searchNodes(graph: Graph, query: string): GraphView {
  const text = query.toLowerCase();
  const contains = (value: string) => value.toLowerCase().includes(text);
  return around(
    graph,
    graph.entities.filter(
      (each) => contains(each.name) || contains(each.entityType) || each.observations.some(contains),
    ),
  );
}

/** The entities of these names, and the relations that touch them. */
export function openNodes(graph: Graph, names: readonly string[]): GraphView {
  const wanted = new Set(names);
  return around(
    graph,
    graph.entities.filter((entity) => wanted.has(entity.name)),
  );
}

function around(graph: Graph, entities: readonly Entity[]): GraphView {
  const names = new Set(entities.map((entity) => entity.name));
  return {
    entities,
    relations: graph.relations.filter((relation) => names.has(relation.from) || names.has(relation.to)),
  };
}

function deletion(graph: Graph, entities: readonly Entity[], relations: readonly Relation[]): Change<undefined> {
  const same = entities.length === graph.entities.length && relations.length === graph.relations.length;
  return { graph: same ? graph : { ...graph, entities, relations }, result: undefined, grown: [] };
}

/** Text that is equal exactly for equal relations, whatever characters the parts hold. */
function relationKey({ from, to, relationType }: Relation): string {
  return JSON.stringify([from, to, relationType]);
}

/** A copy of a list of entities in which single ones are replaced, found by name. */
class FirstByName {
  readonly entities: Entity[];
  readonly #places = new Map<string, number>();
  readonly #replaced = new Set<string>();

  constructor(entities: readonly Entity[]) {
    this.entities = [...entities];
    for (const [place, entity] of entities.entries())
      if (!this.#places.has(entity.name)) this.#places.set(entity.name, place);
  }

  get changed(): boolean {
    return this.#replaced.size > 0;
  }

  /** The entities that were replaced, as they are now. */
  get replaced(): Entity[] {
    return [...this.#replaced].flatMap((name) => this.get(name) ?? []);
  }

  get(name: string): Entity | undefined {
    const place = this.#places.get(name);
    return place === undefined ? undefined : this.entities[place];
  }

  replace(entity: Entity): void {
    const place = this.#places.get(entity.name);
    if (place === undefined) return;
    this.entities[place] = entity;
    this.#replaced.add(entity.name);
  }
}
