// The plugin: its options and the registration of its server. The server itself is loaded when somebody connects.
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { definePlugin, rootProblem, z } from 'plugboard';
import type { PluginProblem, ServerDefinition } from 'plugboard';

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
  async check({ root, program }, { directory, reserved }) {
    const folder = await rootProblem(resolve(directory, root), reserved);
    return [folder ?? [], (await programProblem(program)) ?? []].flat();
  },
  apply({ servers, log, directory, reserved }, { root, ...rest }) {
    const folder = resolve(directory, root);
    let server: Promise<ServerDefinition> | undefined;
    const load = () => {
      server ??= import('./server.ts').then(({ gitServer }) => gitServer({ ...rest, root: folder, reserved }));
      return server;
    };
    void rootProblem(folder, reserved).then((problem) => {
      if (problem !== undefined) log.warn(`${problem.text}: ${problem.advice}`);
    });
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

async function programProblem(program: string): Promise<PluginProblem | undefined> {
  const { execFile } = await import('node:child_process');
  const problem: PluginProblem = {
    result: 'failure',
    text: `the program ${program} cannot be run, so every call fails`,
    advice: 'install git, or name it by the option `program`',
  };
  return promisify(execFile)(program, ['--version']).then(
    () => undefined,
    () => problem,
  );
}
