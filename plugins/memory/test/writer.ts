// A program that writes a memory in a process of its own, so that the process can be killed, starved or run beside another. Tests start it.
import { writeSync } from 'node:fs';
import { acquireLock } from 'plugboard';
import { errorText, structured } from '@plugboard/test-kit/stand';
import type { ServerLease } from '@plugboard/test-kit/stand';
import { entity, readGraph, stand } from './stand.ts';

/** What it tells, one JSON text per line, written at once: what was told before a kill is not lost. */
export type Told =
  | { readonly what: 'ready' | 'finished' }
  /** `begin` before the call, `done` when it was acknowledged. */
  | { readonly what: 'begin' | 'done'; readonly act: 'create' | 'observe' | 'relate' | 'delete'; readonly name: string }
  | { readonly what: 'failed'; readonly text: string; readonly left: number };

const [mode = '', folder = '', prefix = '', count = '0'] = process.argv.slice(2);

function tell(line: Told): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

async function act(client: ServerLease, kind: 'create' | 'observe' | 'relate' | 'delete', name: string): Promise<void> {
  const calls = {
    // Two entities in one call: both or none must be there.
    create: ['create_entities', { entities: [entity(name, 'a'), entity(`${name} twin`, 'b'.repeat(200))] }],
    observe: ['add_observations', { observations: [{ entityName: name, contents: ['observed', 'seen'] }] }],
    relate: ['create_relations', { relations: [{ from: name, to: `${name} twin`, relationType: 'knows' }] }],
    delete: ['delete_entities', { entityNames: [name, `${name} twin`] }],
  } as const;
  tell({ what: 'begin', act: kind, name });
  structured(await client.call(calls[kind][0], calls[kind][1]));
  tell({ what: 'done', act: kind, name });
}

/** Writes on, in several strands, until it is killed or each strand has done its number of rounds. */
async function write(rounds: number): Promise<void> {
  const client = await (await stand(folder)).open('default');
  tell({ what: 'ready' });
  const strand = async (letter: string) => {
    for (let round = 0; round < rounds; round += 1) {
      const name = `${prefix}-${letter}-${round}`;
      await act(client, 'create', name);
      await act(client, 'observe', name);
      await act(client, 'relate', name);
      // Two of three go again, so that the file does not only grow.
      if (round % 3 !== 0) await act(client, 'delete', name);
    }
  };
  await Promise.all(['x', 'y', 'z'].map(strand));
  await client.close();
  tell({ what: 'finished' });
}

/** Writes until the system refuses more, then shows that the memory still works. */
async function fill(): Promise<void> {
  // Without a listener the signal ends the process; with one the write fails or is short, as on a full disk.
  process.on('SIGXFSZ', () => {});
  const client = await (await stand(folder)).open('default');
  for (let round = 0; ; round += 1) {
    const name = `${prefix}-${round}`;
    const response = await client.call('create_entities', { entities: [entity(name, 'o'.repeat(5000))] });
    if (response.result?.['isError'] === true) {
      tell({ what: 'failed', text: errorText(response), left: (await readGraph(client)).entities.length });
      break;
    }
    tell({ what: 'done', act: 'create', name });
  }
  await act(client, 'delete', `${prefix}-0`);
  await client.close();
}

/** Holds a lock until it is killed. */
async function hold(): Promise<void> {
  await acquireLock(folder, { timeout: 1000 });
  tell({ what: 'ready' });
  setInterval(() => {}, 1000);
}

const modes: Record<string, () => Promise<void>> = { write: () => write(Number(count)), fill, hold };
await modes[mode]?.();
