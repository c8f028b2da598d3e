// The plugin: its options and what it registers. The server is in `server.ts`, its tools in `tools.ts`.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { definePlugin, z } from 'plugboard';
import { filesystemServer } from './server.ts';
import { rootPerGrant, sharedRoot, workspaceOr } from './workspaces.ts';

const options = z.strictObject({
  root: z.string().min(1).describe('The folder that tools work below; relative to the folder of the configuration'),
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .default('filesystem')
    .describe('Name of the server'),
  readOnly: z.boolean().default(false).describe('Offer only the tools that change nothing'),
  workspaces: z
    .enum(['shared', 'per-task'])
    .default('shared')
    .describe('shared: every grant works in `root`; per-task: each in a folder of its own below it'),
  maxFileSize: z
    .int()
    .min(1)
    .default(10 * 1024 * 1024)
    .describe('Bytes that one call reads or writes at most'),
  maxEntries: z.int().min(1).default(50_000).describe('Files and folders that one call lists or searches at most'),
  maxDepth: z
    .int()
    .min(1)
    .default(64)
    .describe('Levels of folders that directory_tree and search_files go down at most'),
});

export default definePlugin({
  id: 'filesystem',
  apiVersion: 1,
  title: 'Filesystem',
  description: 'Files below one root, compatible with the reference filesystem server',
  options,
  async check({ root }, { directory }) {
    const folder = resolve(directory, root);
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory() === true) return [];
    const text = `option root: ${folder} is ${found === undefined ? 'not there' : 'no folder'}, so every call fails`;
    return [{ result: 'failure', text, advice: 'create it, or correct `root`' }];
  },
  apply({ servers, log, directory }, { root, name, readOnly, workspaces, maxFileSize, maxEntries, maxDepth }) {
    const folder = resolve(directory, root);
    const resolveRoot = workspaceOr(workspaces === 'per-task' ? rootPerGrant(folder) : sharedRoot(folder));
    servers.register(filesystemServer({ name, readOnly, limits: { maxFileSize, maxEntries, maxDepth }, resolveRoot }));
    // Not awaited: the folder may be on a slow mount, and may be there by the time somebody calls.
    stat(folder).catch(() => log.warn(`option root: ${folder} is not there: create it, or every call fails`));
  },
});
