// The plugin: its options and what it registers. The server is in `server.ts`, its tools in `tools.ts`.
import { resolve } from 'node:path';
import { definePlugin, rootProblem, z } from 'plugboard';
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
  async check({ root }, { directory, reserved }) {
    return (await rootProblem(resolve(directory, root), reserved)) ?? [];
  },
  apply(
    { servers, log, directory, reserved },
    { root, name, readOnly, workspaces, maxFileSize, maxEntries, maxDepth },
  ) {
    const folder = resolve(directory, root);
    const resolveRoot = workspaceOr(workspaces === 'per-task' ? rootPerGrant(folder) : sharedRoot(folder));
    const limits = { maxFileSize, maxEntries, maxDepth };
    servers.register(filesystemServer({ name, readOnly, limits, resolveRoot, reserved }));
    // Not awaited: the folder may be on a slow mount, and may be there by the time somebody calls.
    void rootProblem(folder, reserved).then((problem) => {
      if (problem !== undefined) log.warn(`${problem.text}: ${problem.advice}`);
    });
  },
});
