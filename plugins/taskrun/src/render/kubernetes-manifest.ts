// The task's object as a proxy beside the agent reads it: what the object says and what was changed since, without what belongs to the cluster.
import { isObject } from 'plugboard';
import type { JsonObject } from 'plugboard';
import type { Task } from '../task.ts';
import type { KubernetesOptions } from './kubernetes-options.ts';

/** The manifest for the folder of tasks. Live changes become a part of `toolConfig`: the pod's proxy starts with them. */
export function sidecarManifest(task: Task, { workspace }: KubernetesOptions): JsonObject {
  const { object, name, namespace } = task;
  const { apiVersion, kind } = object;
  const spec = isObject(object['spec']) ? object['spec'] : {};
  const given = spec['toolConfig'];
  const before = typeof given === 'string' ? { preset: given } : isObject(given) ? given : undefined;
  const { enabled, disabled } = task;
  const changed = enabled.length > 0 || disabled.length > 0 || workspace !== undefined;
  const toolConfig = changed ? withChanges(before ?? {}, task) : before;
  const place = workspace === undefined ? {} : { workspace: workspace.mountPath };
  return {
    apiVersion,
    kind,
    metadata: { name, namespace },
    spec: {
      ...spec,
      ...(toolConfig === undefined ? {} : { toolConfig: { ...toolConfig, ...place } }),
      contextVersion: task.contextVersion,
    },
  };
}

/** Deny beats allow, so what was enabled since leaves the lists of what is denied. */
function withChanges(toolConfig: JsonObject, { enabled, disabled }: Task): JsonObject {
  if (enabled.length === 0 && disabled.length === 0) return toolConfig;
  const on = new Set(enabled);
  const tools = rulesOf(toolConfig['tools']);
  const servers = Array.isArray(toolConfig['mcpServers']) ? toolConfig['mcpServers'] : [];
  return {
    ...toolConfig,
    mcpServers: servers.map((server) => (isObject(server) ? withoutDenied(server, on) : server)),
    tools: {
      allow: [...new Set([...tools.allow, ...enabled])],
      deny: [...new Set([...tools.deny.filter((selector) => !on.has(selector)), ...disabled])],
    },
  };
}

function withoutDenied(server: JsonObject, on: ReadonlySet<string>): JsonObject {
  if (!isObject(server['tools'])) return server;
  const { deny } = rulesOf(server['tools']);
  return {
    ...server,
    tools: { ...server['tools'], deny: deny.filter((tool) => !on.has(`${String(server['name'])}:${tool}`)) },
  };
}

function rulesOf(rules: unknown): { allow: string[]; deny: string[] } {
  const { allow, deny } = isObject(rules) ? rules : {};
  return { allow: texts(allow), deny: texts(deny) };
}

const texts = (list: unknown): string[] => (Array.isArray(list) ? list.filter((each) => typeof each === 'string') : []);
