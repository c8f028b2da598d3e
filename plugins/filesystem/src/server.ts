// The server: which tools it offers, and what a lease of it keeps. How a lease finds its root is in `workspaces.ts`.
import { localServer } from 'plugboard';
import type { LeaseKey, ServerDefinition } from 'plugboard';
import type { OpenAnchor } from './anchor.ts';
import type { Limits } from './space.ts';
import { tools } from './tools.ts';

/** Also in package.json; a test compares them. */
export const version = '0.1.0';

export interface FilesystemSettings {
  readonly name: string;
  readonly readOnly: boolean;
  readonly limits: Limits;
  /** The folder that one lease works in: an absolute path. The place where tasks get roots of their own. */
  resolveRoot(key: LeaseKey): string | Promise<string>;
  /** Absolute paths that are the proxy's own. */
  readonly reserved: readonly string[];
  /** How files are held fast while they are checked and used. Undefined: the best way that this system has. */
  readonly openAnchor?: OpenAnchor;
}

/** A server definition to hand to `servers.register`. Opening a lease rejects when its root is not a folder. */
export function filesystemServer(settings: FilesystemSettings): ServerDefinition {
  return localServer({
    name: settings.name,
    title: 'Filesystem',
    version,
    isolation: 'task',
    tools: settings.readOnly ? tools.filter((tool) => tool.annotations?.['readOnlyHint'] === true) : tools,
    async open(key) {
      const [{ openSpace }, { Root }] = await Promise.all([import('./space.ts'), import('./root.ts')]);
      const folder = await settings.resolveRoot(key);
      const root = await Root.open(folder, settings.reserved, folder === key.workspace);
      return openSpace(root, settings.limits, settings.openAnchor);
    },
  });
}
