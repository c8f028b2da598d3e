// The plugin: its options and the registration of its server. The server itself is loaded when somebody connects.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { definePlugin, z } from 'plugboard';
import type { ServerDefinition } from 'plugboard';

/** What git takes as a name or an address: one line, and nothing that would end it early. */
const identity = z
  .string()
  .regex(/^[^\p{Cc}<>]*[^\p{Cc}<>\s.,:;"'][^\p{Cc}<>]*$/u, 'expected one line of text without < and >');

const options = z.strictObject({
  root: z
    .string()
    .min(1)
    .describe('The folder that holds the repositories; relative to the folder of the configuration'),
  name: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .default('git')
    .describe('Name of the server: prefix of its tools, and its path /mcp/NAME'),
  readOnly: z.boolean().default(false).describe('Offer only the tools that change nothing'),
  author: z
    .strictObject({
      name: identity.describe('Name in commits'),
      email: identity.describe('Mail address in commits'),
    })
    .optional()
    .describe('name and email of commits; left out: those that the repository itself sets'),
  program: z
    .string()
    .min(1)
    .default('git')
    .describe('The git program: a name to look for in PATH, or an absolute path'),
  timeout: z.int().min(1).default(30_000).describe('ms that one call may take'),
  maxOutput: z
    .int()
    .min(1024)
    .max(16 * 1024 * 1024)
    .default(100_000)
    .describe('Bytes of output that one call gives; the rest is cut off with a note'),
});

export default definePlugin({
  id: 'git',
  apiVersion: 1,
  title: 'Git',
  description: 'Git repositories below one root, without running what they bring along',
  options,
  async check({ root, program }, { directory }) {
    const { execFile } = await import('node:child_process');
    const folder = resolve(directory, root);
    const isThere = await stat(folder).then(
      (found) => found.isDirectory(),
      () => false,
    );
    const runs = await promisify(execFile)(program, ['--version']).then(
      () => true,
      () => false,
    );
    return [
      ...(isThere
        ? []
        : [
            {
              result: 'failure',
              text: `option root: ${folder} is no folder, so every call fails`,
              advice: 'create it, or correct `root`',
            } as const,
          ]),
      ...(runs
        ? []
        : [
            {
              result: 'failure',
              text: `the program ${program} cannot be run, so every call fails`,
              advice: 'install git, or name it by the option `program`',
            } as const,
          ]),
    ];
  },
  apply({ servers, directory }, { root, ...rest }) {
    let server: Promise<ServerDefinition> | undefined;
    const load = () => {
      server ??= import('./server.ts').then(({ gitServer }) => gitServer({ ...rest, root: resolve(directory, root) }));
      return server;
    };
    servers.register({
      name: rest.name,
      title: 'Git',
      kind: 'in-process',
      isolation: 'task',
      asks: false,
      open: async (key, events, signal) => (await load()).open(key, events, signal),
    });
  },
});
