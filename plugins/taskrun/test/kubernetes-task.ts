// A task for the tests of what happens in a cluster, read from its manifest as a source would. No expectations live here.
import type { JsonObject } from 'plugboard';
import { builtInPresets } from '../src/options.ts';
import { readObject } from '../src/schema/read.ts';
import type { RenderInput, Task } from '../src/task.ts';

/** A TaskRun with internal tools, a document and a server of its own. */
export function manifest(name: string, namespace = 'agents', spec: JsonObject = {}): JsonObject {
  return {
    apiVersion: 'orchestrator.io/v1',
    kind: 'TaskRun',
    metadata: { name, namespace },
    spec: {
      taskId: 7,
      serviceName: 'billing',
      agentName: 'rex',
      contextVersion: 2,
      markdownFiles: [{ filename: 'task.md', content: '# Do it\n', fileType: 'task' }],
      toolConfig: {
        internalTools: { permissions: { allow: ['Read', 'Bash(npm run test:*)'], deny: ['WebFetch'] } },
        mcpServers: [{ name: 'memory', enabled: true, tools: { allow: ['read_graph', 'create_entities'], deny: [] } }],
      },
      ...spec,
    },
  };
}

/** The task of a manifest, as it stands before anything has happened. */
export function taskOf(object: JsonObject, changes: Partial<Task> = {}): Task {
  const read = readObject(object, { presets: builtInPresets });
  if (!('spec' in read)) throw new Error(read.problems.join('\n'));
  const { name, namespace, spec } = read;
  return {
    id: namespace === 'default' ? name : `${namespace}/${name}`,
    uid: read.uid ?? `uid-of-${name}`,
    namespace,
    name,
    source: 'kubernetes',
    origin: `${namespace}/${name}`,
    object,
    spec,
    enabled: [],
    disabled: [],
    contextVersion: spec.contextVersion,
    context: [],
    status: {
      phase: 'Pending',
      message: undefined,
      conditions: [],
      tools: [],
      calls: 0,
      refusals: 0,
      lastActivity: undefined,
      contextVersion: spec.contextVersion,
      pendingEscalations: 0,
      tokenExpiresAt: undefined,
    },
    version: 1,
    ...changes,
  };
}

export function inputOf(task: Task): RenderInput {
  return {
    task,
    proxy: 'plugboard',
    url: 'http://plugboard.tools.svc:8807/mcp',
    hookUrl: 'http://plugboard.tools.svc:8807/hook',
    tools: ['memory_read_graph', 'memory_create_entities'],
  };
}
