// One way to an HTTP server that is tried: what a connection is made of, and that nothing is left of one that does not come about.
import type { Connection, EventGate, LeaseKey } from 'plugboard';
import type { Shared } from '../shared.ts';
import type { HttpClient } from './client.ts';

export interface Door {
  readonly shared: Shared;
  readonly client: HttpClient;
  readonly key: LeaseKey;
  readonly gate: EventGate;
}

/** The connection when it is open: `begin` has been done. It is closed when that rejects. */
export async function opened<Kind extends Connection>(
  { gate }: Door,
  connection: Kind,
  begin: () => Promise<void>,
): Promise<Kind> {
  try {
    await begin();
  } catch (error) {
    await connection.close();
    throw error;
  }
  gate.open();
  return connection;
}
