// A stand for the plugin: applies it as the host does and calls its server as the core does. No expectations live here.
import plugin from '@plugboard/memory';
import { leaseKey, recordedLog, registeredServer, ServerLease, structured } from '@plugboard/test-kit/stand';
import type { LogLine } from '@plugboard/test-kit/stand';
import type { JsonObject, ServerDefinition } from 'plugboard';

export interface Stand {
  readonly server: ServerDefinition;
  readonly log: readonly LogLine[];
  /** Opens the server for a grant; for the catalogue without one. */
  open(grant?: string): Promise<ServerLease>;
}

/** Applies the plugin with these options in this folder. */
export async function stand(directory: string, options: JsonObject = {}): Promise<Stand> {
  const log: LogLine[] = [];
  const server = await registeredServer(plugin, options, { directory, log: recordedLog(log) });
  return { server, log, open: (grant) => ServerLease.open(server, leaseKey(grant)) };
}

export interface Graph {
  entities: { name: string; entityType: string; observations: string[] }[];
  relations: { from: string; to: string; relationType: string }[];
}

export async function readGraph(client: ServerLease): Promise<Graph> {
  return structured<Graph>(await client.call('read_graph'));
}

export function entity(name: string, ...observations: string[]): Graph['entities'][number] {
  return { name, entityType: 'thing', observations };
}
