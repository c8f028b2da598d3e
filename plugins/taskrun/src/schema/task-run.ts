// The schema of `orchestrator.io/v1` TaskRun.
import { z } from 'plugboard';
import { maxSelectors } from './bounds.ts';
import { contextVersion, freeForm, line, markdownFiles, status, taskId, text } from './parts.ts';
import { toolConfig } from './tool-config.ts';

const repository = (description: string) =>
  z
    .strictObject({
      url: line('Address, HTTPS or SSH', 2048),
      branch: line('Branch or tag').default('main'),
      githubUser: line('User of the credentials').optional(),
      token: z.string().max(4096).optional().describe('Not read by the proxy'),
    })
    .optional()
    .describe(description);

const names = (description: string) => z.array(line('A name', 512)).max(maxSelectors).optional().describe(description);

export const taskRunSpec = z.strictObject({
  taskId,
  serviceName: line('Service that the task is about'),
  agentName: line('Agent that does the task'),
  model: z.enum(['sonnet', 'opus', 'haiku']).optional().describe('Model of the agent'),
  contextVersion,
  markdownFiles,
  toolConfig: toolConfig.optional().describe('Which tools the task has'),
  agentTools: z
    .array(
      z.strictObject({
        name: line('Internal tool, such as bash or edit'),
        enabled: z.boolean().default(true).describe('false: the agent does not have it'),
        config: z.looseObject({}).meta(freeForm).optional().describe('Not read by the proxy'),
        restrictions: z
          .array(line('What is refused, as in a permission rule', 512))
          .max(1000)
          .optional()
          .describe('What the tool must not do, such as rm:* for bash'),
      }),
    )
    .max(1000)
    .optional()
    .describe('Internal tools of the agent'),
  localTools: names('Names of internal tools that the agent has'),
  remoteTools: names('Tools of servers, as server_tool, that the task has'),
  repository: repository('Repository that the task works on'),
  platformRepository: repository('Repository of the documentation'),
  workingDirectory: line('Folder within the repository', 4096).optional(),
  promptModification: text('More instructions for a retry').optional(),
  promptMode: z.enum(['append', 'replace']).optional().describe('How promptModification is applied'),
});

export type TaskRunSpec = z.output<typeof taskRunSpec>;

export const taskRunStatus = status
  .extend({
    phase: z
      .enum(['Pending', 'Running', 'Succeeded', 'Failed'])
      .optional()
      .describe('Phase of the run; belongs to the controller that runs the agent'),
    jobName: z.string().max(253).optional().describe('Job of the agent'),
    configMapName: z.string().max(253).optional().describe('ConfigMap of the agent'),
    attempts: z.int().min(0).optional().describe('How often it was tried'),
    sessionId: z.string().max(253).optional().describe('Session of the agent'),
    lastUpdated: z.string().meta({ format: 'date-time' }).optional().describe('When the controller last wrote'),
  })
  .meta({ ...freeForm, description: 'How the task stands' });
