// The options of the plugin, each with its default and its meaning. What they do lives where they are used.
import { z } from 'plugboard';
import { kubernetesOptions } from './render/kubernetes-options.ts';
import { webhookOptions } from './webhook/options.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;

const selectors = (text: string) => z.array(z.string().min(1).max(512)).max(10_000).describe(text);

const rules = z.strictObject({
  allow: selectors('Selectors of what is let through'),
  deny: selectors('Selectors of what is not; deny beats allow').default([]),
});

const milliseconds = (initial: number, text: string) => z.int().min(0).default(initial).describe(`${text}, in ms`);
const count = (initial: number, text: string) => z.int().min(1).default(initial).describe(text);

/** What `toolConfig.preset` stands for when the options do not say. */
export const builtInPresets = {
  default: { allow: ['memory:*', 'filesystem:*'], deny: [] },
  minimal: {
    allow: [
      'filesystem:read_*',
      'filesystem:list_*',
      'filesystem:search_files',
      'filesystem:directory_tree',
      'filesystem:get_file_info',
    ],
    deny: [],
  },
  advanced: { allow: ['*'], deny: [] },
};

const presets = z.strictObject({
  default: rules.default(builtInPresets.default).describe('Preset `default`: all of memory and filesystem'),
  minimal: rules.default(builtInPresets.minimal).describe('Preset `minimal`: reading of files'),
  advanced: rules
    .default(builtInPresets.advanced)
    .describe('Preset `advanced`: everything that the ceiling lets through'),
});

const escalation = z.strictObject({
  mode: z
    .enum(['auto', 'allowlist', 'review'])
    .default('review')
    .describe('Who decides: nobody (granted within the ceiling), the list `allow`, or a person'),
  allow: selectors('Selectors that `allowlist` grants').default([]),
  deny: selectors('Selectors that are never granted').default([]),
});

const kubernetes = z.strictObject({
  namespace: z.string().min(1).optional().describe('Namespace that is watched; default: all'),
  kubeconfig: z
    .string()
    .min(1)
    .optional()
    .describe('Path of a kubeconfig; default: the credentials of the pod, else the usual kubeconfig'),
});

const token = z.strictObject({
  ttl: milliseconds(
    24 * hour,
    'A token expires so long after the last request with it, or the last sign that its task runs',
  ),
  grace: milliseconds(5 * minute, 'A token goes on for so long when the phase has become Succeeded or Failed'),
  overlap: milliseconds(
    0,
    'The old token goes on for so long after a rotation; 0: it is refused at once, and its sessions end',
  ),
});

const limits = z.strictObject({
  tasks: count(10_000, 'Most tasks'),
  selectors: z.int().min(1).max(9000).default(9000).describe('Most selectors of one task’s tools; globs need fewer'),
  liveSelectors: z
    .int()
    .min(1)
    .max(900)
    .default(500)
    .describe('Most selectors that live changes may have enabled and disabled'),
  contextBytes: count(256 * 1024, 'Most bytes of appended context of one task'),
  journalEntries: count(1000, 'Journal entries kept of one task; older ones are dropped'),
  pendingEscalations: count(10, 'Most requests for tools of one task that wait for a decision'),
  requestedTools: count(100, 'Most tools that one request may ask for'),
});

export const options = z.strictObject({
  source: z
    .string()
    .min(1)
    .optional()
    .describe('Folder of YAML and JSON files that hold tasks; watched. Relative to the folder of the configuration'),
  kubernetes: z
    .union([z.literal(true), kubernetes])
    .optional()
    .describe('Takes tasks from a Kubernetes API server: `true`, or `{ namespace, kubeconfig }`'),
  presets: presets.prefault({}).describe('What the presets of `toolConfig` stand for'),
  ceiling: rules
    .default({ allow: ['*'], deny: [] })
    .describe('What no task ever exceeds, whatever its object, a live change or an escalation says'),
  escalation: escalation.prefault({}).describe('How requests for more tools are decided where the object does not say'),
  workspaces: z
    .string()
    .min(1)
    .default('.plugboard/workspaces')
    .describe('Each task gets a folder of its own below this one'),
  workspaceRoots: z
    .array(z.string().min(1))
    .default([])
    .describe('Folders below which an object may name its `workspace`. Default: an object may name none'),
  server: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .default('task')
    .describe('Name of the server that tasks see: `request_tools`, and their context'),
  allowedEnv: z
    .array(z.string().regex(/^[A-Za-z_]\w*$/))
    .default([])
    .describe('Environment variables of the proxy that a server of a task’s own may refer to as `${env:NAME}`'),
  allowCommands: z
    .boolean()
    .default(false)
    .describe('Whether a server of a task’s own may be a program (`command`) that the proxy starts on its machine'),
  url: z
    .string()
    .min(1)
    .optional()
    .describe('URL of the endpoint as agents reach it, for rendering; default: that of the plugin http'),
  rendering: kubernetesOptions
    .prefault({})
    .describe(
      'How tasks are rendered for Kubernetes: `layout` (`service` or `sidecar`) and what belongs to it; see docs/kubernetes.md',
    ),
  webhook: webhookOptions
    .optional()
    .describe('Serves the admission webhook that gives pods of tasks what they need; see docs/kubernetes.md'),
  token: token.prefault({}).describe('Life of tokens'),
  tokens: z
    .record(z.string().min(1), z.string().min(16).max(1024))
    .default({})
    .describe(
      'Tokens that come from elsewhere, by the id of their task, for a proxy beside an agent; good as long as they stand here. Write them as references',
    ),
  limits: limits.prefault({}).describe('Limits'),
});

export type Options = z.output<typeof options>;
