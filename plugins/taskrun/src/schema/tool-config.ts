// The schema of `toolConfig`: which tools a task has. What becomes of it is in `compile.ts`.
import { z } from 'plugboard';
import { maxServers } from './bounds.ts';
import { allowAndDeny, escalationPolicy, freeForm, line, mapOf, rules, withinLimit } from './parts.ts';
import { withRules } from './rule.ts';

const everything = ['*'];

export const presetNames = ['default', 'minimal', 'advanced'] as const;

const environment = (description: string) =>
  z.record(z.string().min(1).max(253), z.string().max(32_768)).describe(description);

/** Members of an entry that describe a server of the task's own, in the format of `mcpServers`. */
const definition = {
  type: z
    .enum(['stdio', 'http', 'streamable-http', 'sse'])
    .optional()
    .describe('Own server: transport. Left out: stdio with command, http with url'),
  url: line('Own server: its address', 2048).optional(),
  headers: environment('Own server: headers of every request; secrets as ${env:NAME}').optional(),
  oauth: z.looseObject({}).meta(freeForm).optional().describe('Own server: how to authorise there'),
  command: line('Own server: program to start', 4096).optional(),
  args: z.array(z.string().max(32_768)).max(1000).optional().describe('Own server: arguments of the program'),
  env: environment('Own server: environment of the program').optional(),
  cwd: line('Own server: folder the program runs in', 4096).optional(),
  isolation: z.enum(['shared', 'task', 'session']).optional().describe('Own server: who shares a connection'),
  timeout: z.int().min(1).optional().describe('Own server: ms without an answer or progress before a call fails'),
  maxTimeout: z.int().min(1).optional().describe('Own server: ms before a call fails in any case'),
  era: z.enum(['auto', 'old', 'new']).optional().describe('Own server: protocol generation'),
  title: z.string().max(253).optional().describe('Own server: name for people'),
};

/** Keys of an entry that make up the definition of a server of its own. */
export const definitionKeys = Object.keys(definition) as (keyof typeof definition)[];

const serverTools = withRules(
  z.strictObject(
    allowAndDeny({ allow: 'Names or globs of tools of this server', deny: 'The same; wins over allow' }, everything),
  ),
  [withinLimit],
);

const server = withRules(
  z.strictObject({
    name: z
      .string()
      .min(1)
      .max(40)
      .regex(/^[A-Za-z0-9_-]+$/)
      .describe('A server of the proxy, or with url or command a server that only this task has'),
    enabled: z.boolean().default(true).describe('false: none of its tools'),
    tools: serverTools.default({ allow: everything, deny: [] }).describe('Which of its tools'),
    ...definition,
  }),
  [
    {
      rule: '!(has(self.url) && has(self.command))',
      message: 'give url (a server to reach) or command (a program to start), not both',
      holds: ({ url, command }) => url === undefined || command === undefined,
    },
    {
      rule: "!has(self.type) || (self.type == 'stdio' ? has(self.command) : has(self.url))",
      message: 'type stdio needs command, the other types need url',
      holds: ({ type, url, command }) =>
        type === undefined || (type === 'stdio' ? command !== undefined : url !== undefined),
    },
    {
      rule: 'has(self.command) || !(has(self.args) || has(self.env) || has(self.cwd))',
      message: 'args, env and cwd belong to a server with command',
      holds: ({ command, args, env, cwd }) =>
        command !== undefined || (args === undefined && env === undefined && cwd === undefined),
    },
    {
      rule: 'has(self.url) || !(has(self.headers) || has(self.oauth))',
      message: 'headers and oauth belong to a server with url',
      holds: ({ url, headers, oauth }) => url !== undefined || (headers === undefined && oauth === undefined),
    },
    {
      rule: 'has(self.url) || has(self.command) || !(has(self.isolation) || has(self.timeout) || has(self.maxTimeout) || has(self.era) || has(self.title))',
      message: 'isolation, timeout, maxTimeout, era and title belong to a server of its own; give url or command',
      holds: (entry) =>
        entry.url !== undefined ||
        entry.command !== undefined ||
        (['isolation', 'timeout', 'maxTimeout', 'era', 'title'] as const).every((key) => entry[key] === undefined),
    },
  ],
);

const alike = (name: string) => name.replaceAll('-', '_');

const servers = withRules(z.array(server).max(maxServers), [
  {
    rule: "self.all(a, self.exists_one(b, b.name.replace('-', '_') == a.name.replace('-', '_')))",
    message: 'each server may stand here once; - and _ count as the same',
    holds: (entries) => new Set(entries.map(({ name }) => alike(name))).size === entries.length,
  },
]);

/** Keeps the list's rules when more is said about it. */
const mergedByName = servers.meta({ ...servers.meta(), ...mapOf('name') });

export const toolConfig = z.strictObject({
  preset: z.enum(presetNames).optional().describe('Selectors that the proxy is configured with under this name'),
  internalTools: z
    .strictObject({
      permissions: rules(
        {
          allow: 'Permission rules of Claude Code, such as Read or Bash(npm run test:*)',
          deny: 'Rules that win over allow',
        },
        everything,
      ).default({ allow: everything, deny: [] }),
    })
    .optional()
    .describe('Tools inside the agent. The proxy renders them into what the agent obeys'),
  mcpServers: mergedByName.default([]).describe('Servers and which of their tools the task has'),
  tools: rules({
    allow: 'Selectors over all servers: server:tool with globs',
    deny: 'Selectors that win over allow',
  }).optional(),
  ceiling: rules(
    { allow: 'What live changes and escalations may reach', deny: 'What they never reach' },
    everything,
  ).optional(),
  escalationPolicy: escalationPolicy.optional().describe('What happens when the agent asks for more tools'),
  workspace: z
    .string()
    .max(4096)
    .regex(/^\//)
    .optional()
    .describe('Folder of the task: the root that file servers of the proxy give to its agent'),
});

export type ToolConfig = z.output<typeof toolConfig>;
