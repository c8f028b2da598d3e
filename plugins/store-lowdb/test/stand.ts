// A stand for the plugin: applies it as the host does, in a folder of its own. No expectations live here.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import plugin from '@plugboard/store-lowdb';
import type { ExecutionContext } from 'ava';
import type { JsonObject, Log, PluginApi, Stores } from 'plugboard';

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

export interface Stand {
  readonly stores: Stores;
  readonly log: readonly LogLine[];
  stop(): Promise<void>;
}

/** Where the plugin keeps its files in the folder it is applied in. */
export const state = '.plugboard/state';

export function temporaryFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'store-lowdb-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Applies the plugin with these options in this folder. */
export async function start(directory: string, options: JsonObject = {}): Promise<Stand> {
  const log: LogLine[] = [];
  const provided = new Map<string, unknown>();
  const api = {
    services: { provide: (name: string, service: unknown) => provided.set(name, service) },
    directory,
    log: recorder(log),
  };
  const stop = await plugin.apply(api as unknown as PluginApi, plugin.options?.parse(options));
  if (typeof stop !== 'function') throw new Error('the plugin gave no way to stop it');
  return { stores: provided.get('store') as Stores, log, stop: async () => stop() };
}

function recorder(lines: LogLine[]): Log {
  const to = (level: string) => (message: string) => void lines.push({ level, message });
  return { debug: to('debug'), info: to('info'), warn: to('warn'), error: to('error') };
}
