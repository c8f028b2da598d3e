// The kinds of objects that are tasks: their names in Kubernetes, and the schemas of their parts.
import type { z } from 'plugboard';
import { codeRunSpec, codeRunStatus } from './code-run.ts';
import { taskRunSpec, taskRunStatus } from './task-run.ts';

/** A column that `kubectl get` shows. */
export interface Column {
  readonly name: string;
  readonly type: 'integer' | 'string' | 'date';
  readonly jsonPath: string;
}

export interface Kind {
  readonly kind: 'TaskRun' | 'CodeRun';
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly shortName: string;
  readonly description: string;
  readonly columns: readonly Column[];
  readonly spec: z.ZodType;
  readonly status: z.ZodType;
}

const columns = (service: string): Column[] => [
  { name: 'Task', type: 'integer', jsonPath: '.spec.taskId' },
  { name: 'Service', type: 'string', jsonPath: service },
  { name: 'Version', type: 'integer', jsonPath: '.spec.contextVersion' },
  { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
];

export const kinds: readonly Kind[] = [
  {
    kind: 'TaskRun',
    group: 'orchestrator.io',
    version: 'v1',
    plural: 'taskruns',
    shortName: 'tr',
    description: 'A task of an agent and the tools it needs',
    columns: columns('.spec.serviceName'),
    spec: taskRunSpec,
    status: taskRunStatus,
  },
  {
    kind: 'CodeRun',
    group: 'agents.platform',
    version: 'v1',
    plural: 'coderuns',
    shortName: 'cr',
    description: 'A task of an agent and the tools it needs; successor of TaskRun',
    columns: columns('.spec.service'),
    spec: codeRunSpec,
    status: codeRunStatus,
  },
];
