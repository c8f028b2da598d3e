// What can be chosen about the rendering for Kubernetes, with defaults: as options of a plugin, and as arguments of the functions beside.
import { z } from 'plugboard';

/** Port of the proxy, in both layouts. */
export const proxyPort = 8807;

/** What the proxy needs to run from a plain Node image. A test compares the versions with those of the packages. */
export const defaultPackages = [
  'plugboard@0.1.0',
  '@plugboard/http@0.1.0',
  '@plugboard/upstream@0.1.0',
  '@plugboard/filesystem@0.1.0',
  '@plugboard/memory@0.1.0',
  '@plugboard/store-lowdb@0.1.0',
  '@plugboard/taskrun@0.1.0',
];

const name = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/, 'must be the name of an object in Kubernetes');

const absolutePath = z.string().regex(/^\/[^\s:]*$/, 'must be an absolute path');

const volume = z.strictObject({
  name: z.string().min(1).describe('Name of the volume in the pod'),
  mountPath: absolutePath.default('/workspace').describe('Where the proxy sees it: the same path as in the agent'),
});

/** Schema of the options, for the configuration of the plugin. */
export const kubernetesOptions = z.strictObject({
  layout: z
    .enum(['service', 'sidecar'])
    .default('service')
    .describe('service: agents use one shared proxy; sidecar: each pod has a proxy of its own'),
  serviceUrl: z
    .url()
    .optional()
    .describe('URL of `/mcp` as agents reach the shared proxy, e.g. http://plugboard.plugboard.svc:8807/mcp'),
  proxyNamespace: name.optional().describe('Namespace of the shared proxy; default: the one that its URL names'),
  proxyLabels: z
    .record(z.string(), z.string())
    .default({ 'app.kubernetes.io/name': 'plugboard' })
    .describe('Labels of the pods of the shared proxy, for NetworkPolicies'),
  proxyPort: z
    .int()
    .min(1)
    .max(65_535)
    .default(proxyPort)
    .describe('Port of those pods (not of the Service), for NetworkPolicies'),
  networkPolicy: z.boolean().default(true).describe('service: make NetworkPolicies'),
  egress: z
    .array(z.looseObject({}))
    .default([])
    .describe('Further egress rules of agents, as in a NetworkPolicy: without one they reach the proxy and DNS only'),
  configPath: absolutePath.default('/config').describe('Where the agent finds its files'),
  managedSettings: z
    .boolean()
    .default(true)
    .describe(
      'Mount the settings as managed ones too (/etc/claude-code), where the agent can neither edit nor override them',
    ),
  image: z
    .string()
    .min(1)
    .optional()
    .describe(
      'sidecar: image of the proxy; with `packages` any that has Node and npm, else one whose command is plugboard',
    ),
  packages: z
    .array(z.string().min(1))
    .default(defaultPackages)
    .describe('sidecar: npm packages that are installed when the pod starts; [] when the image has them'),
  container: z
    .enum(['native', 'plain'])
    .default('native')
    .describe(
      'sidecar: native ends with the agent (Kubernetes 1.29 and later); plain is an ordinary container, which keeps a Job from ending',
    ),
  user: z.int().min(1).default(1000).describe('sidecar: user and group that the proxy runs as'),
  workspace: volume.optional().describe('sidecar: volume of the pod that the server filesystem serves'),
  credentials: name
    .optional()
    .describe('sidecar: Secret whose keys become the environment of the proxy, for ${env:NAME}'),
  configuration: z
    .looseObject({})
    .default({})
    .describe(
      'sidecar: configuration of the proxy (plugins, mcpServers, limits …); the transport and the task are added',
    ),
});

/** The options with their defaults. */
export type KubernetesOptions = z.output<typeof kubernetesOptions>;

/** The options as written. */
export type KubernetesInput = z.input<typeof kubernetesOptions>;
