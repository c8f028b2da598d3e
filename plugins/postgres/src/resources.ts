// Tables as resources: a list of all, and one page for each, at postgres://NAME/SCHEMA/TABLE. What is in them comes from `catalog.ts`.
import { Answer, CallFailure, rpcCode } from 'plugboard';
import type { Connection, LeaseKey, LocalResource, ServerDefinition, UpstreamCall } from 'plugboard';
import { describeTable, listTables } from './catalog.ts';
import { Refusal } from './errors.ts';
import type { Lease } from './server.ts';

const mimeType = 'application/json';
const maxTables = 1000;

/** The resource that lists the tables, with the URI of each. */
export function overview(name: string): LocalResource<Lease> {
  return {
    uri: `postgres://${name}/`,
    name: 'tables',
    title: `Tables of ${name}`,
    description: `The tables and views of the database "${name}" that can be read, with the URI of each`,
    mimeType,
    read: async ({ state, signal }) => {
      const database = await state.database();
      const slice = { limit: maxTables, offset: 0 };
      const { items, nextOffset } = await database.look((session) => listTables(session, slice, signal), signal);
      const tables = items.map((each) => ({ ...each, uri: uriOf(name, each.schema, each.table) }));
      const note = nextOffset === undefined ? {} : { note: `only the first ${maxTables}; list_tables shows the rest` };
      return JSON.stringify({ tables, ...note });
    },
  };
}

function uriOf(name: string, schema: string, table: string): string {
  return `postgres://${name}/${encodeURIComponent(schema)}/${encodeURIComponent(table)}`;
}

/** Schema and table that a URI means; undefined when it is not one of this database's. */
function tableOf(name: string, uri: unknown): { schema: string; table: string } | undefined {
  const start = `postgres://${name}/`;
  if (typeof uri !== 'string' || !uri.startsWith(start)) return undefined;
  const parts = uri.slice(start.length).split('/');
  try {
    const [schema, table] = parts.map(decodeURIComponent);
    return parts.length === 2 && schema && table ? { schema, table } : undefined;
  } catch {
    return undefined;
  }
}

/** Adds to a server the template of its tables. */
export function withTables(
  server: ServerDefinition,
  name: string,
  leaseOf: (key: LeaseKey) => Lease | undefined,
): ServerDefinition {
  const template = {
    uriTemplate: `postgres://${name}/{schema}/{table}`,
    name: 'table',
    title: `A table of ${name}`,
    description: `Columns, keys, constraints and indexes of one table or view of the database "${name}"`,
    mimeType,
  };
  return {
    ...server,
    open: async (key, events, signal) => {
      const connection = await server.open(key, events, signal);
      return new TableConnection(connection, { resourceTemplates: [template] }, name, leaseOf(key));
    },
  };
}

/** A connection that answers for tables itself and leaves everything else to the one below. */
class TableConnection implements Connection {
  readonly era;
  readonly info;
  readonly #below: Connection;
  readonly #templates: { resourceTemplates: object[] };
  readonly #name: string;
  readonly #lease: Lease | undefined;
  readonly #reading = new Set<UpstreamCall>();
  #closed = false;

  constructor(below: Connection, templates: { resourceTemplates: object[] }, name: string, lease: Lease | undefined) {
    this.#below = below;
    this.era = below.era;
    this.info = below.info;
    this.#templates = templates;
    this.#name = name;
    this.#lease = lease;
  }

  send(call: UpstreamCall): void {
    const table = call.method === 'resources/read' ? tableOf(this.#name, call.params?.['uri']) : undefined;
    if (call.method === 'resources/templates/list') call.resolve(Answer.result(this.#templates));
    else if (table === undefined || this.#lease === undefined) this.#below.send(call);
    else if (this.#closed) call.fail(new CallFailure('gone', `server "${this.#name}" is stopped`));
    else void this.#read(call, this.#lease, table);
  }

  notify(): void {}
  listen(): void {}

  async close(): Promise<void> {
    this.#closed = true;
    for (const call of this.#reading) call.cancel({ kind: 'shutdown', message: `server "${this.#name}" is stopped` });
    await this.#below.close();
  }

  async #read(call: UpstreamCall, lease: Lease, { schema, table }: { schema: string; table: string }): Promise<void> {
    const abort = new AbortController();
    call.onCancel = (reason) => abort.abort(new Refusal(reason.message));
    this.#reading.add(call);
    const uri = call.params?.['uri'];
    try {
      const database = await lease.database();
      const look = () => database.look((session) => describeTable(session, schema, table, abort.signal), abort.signal);
      const description = await look();
      if (description === undefined)
        call.resolve(Answer.error(rpcCode.resourceNotFound, 'Resource not found', { uri }));
      else call.resolve(Answer.result({ contents: [{ uri, mimeType, text: JSON.stringify(description) }] }));
    } catch (error) {
      call.resolve(Answer.error(rpcCode.internalError, error instanceof Error ? error.message : String(error)));
    } finally {
      this.#reading.delete(call);
    }
  }
}
