// The server of the plugin: one graph per grant. Loaded when somebody connects, not when the proxy starts.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { localServer } from 'plugboard';
import type { LeaseKey, Log, ServerDefinition } from 'plugboard';
import { graphFileName } from './graph-file-name.ts';
import { GraphStore } from './graph-store.ts';
import type { StoreOptions } from './graph-store.ts';
import { tools } from './tools.ts';
import type { MemoryLease } from './tools.ts';

export interface MemoryServerOptions extends StoreOptions {
  readonly name: string;
  /** Absolute folder of the graphs. */
  readonly folder: string;
}

interface Lease extends MemoryLease {
  readonly file: string;
}

/** Makes the server. Leases of one grant share one graph in memory, which goes when the last of them is closed. */
export function memoryServer(options: MemoryServerOptions, log: Log): ServerDefinition {
  const graphs = new Map<string, { store: GraphStore; leases: number }>();
  return localServer<Lease>({
    name: options.name,
    title: 'Memory',
    version: ownVersion(),
    isolation: 'task',
    tools,
    open: (key) => {
      const file = join(options.folder, graphFileName(grantOf(key)));
      const graph = graphs.get(file) ?? { store: new GraphStore(file, options, log), leases: 0 };
      graph.leases += 1;
      graphs.set(file, graph);
      return { store: graph.store, limits: options, file };
    },
    close: async ({ file, store }) => {
      const graph = graphs.get(file);
      if (graph?.store !== store) return;
      graph.leases -= 1;
      if (graph.leases > 0) return;
      graphs.delete(file);
      await store.close();
    },
  });
}

function grantOf(key: LeaseKey): string {
  if (key.grant === undefined) throw new Error('a memory belongs to a grant; this lease names none');
  return key.grant;
}

function ownVersion(): string {
  const manifest = createRequire(import.meta.url)('@plugboard/memory/package.json') as { version: string };
  return manifest.version;
}
