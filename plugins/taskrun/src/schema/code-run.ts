// The schema of `agents.platform/v1` CodeRun, the successor of TaskRun.
import { z } from 'plugboard';
import { contextVersion, escalationPolicy, freeForm, line, markdownFiles, status, taskId, text } from './parts.ts';
import { withRules } from './rule.ts';
import { toolConfig } from './tool-config.ts';

const environment = z.record(z.string().min(1).max(253), z.string().max(32_768));

const namesInText = (description: string) => text(description, 262_144).optional();

export const codeRunSpec = withRules(
  z.strictObject({
    taskId,
    service: line('Service that the task is about'),
    model: line('Model of the agent').optional(),
    contextVersion,
    markdownFiles,
    localTools: namesInText('Names of internal tools that the agent has, separated by commas'),
    remoteTools: namesInText('Tools of servers, as server_tool, separated by commas'),
    escalationPolicy: escalationPolicy.optional().describe('What happens when the agent asks for more tools'),
    toolConfig: toolConfig.optional().describe('Which tools the task has, beside localTools and remoteTools'),
    githubApp: line('App that the agent works as; names the agent').optional(),
    githubUser: line('User that the agent works as; names the agent').optional(),
    repositoryUrl: line('Repository that the task works on', 2048).optional(),
    docsRepositoryUrl: line('Repository of the documentation', 2048).optional(),
    docsProjectDirectory: z.string().max(4096).optional().describe('Folder within the documentation'),
    docsBranch: line('Branch of the documentation').default('main'),
    workingDirectory: z.string().max(4096).optional().describe('Folder within the repository'),
    promptModification: text('More instructions for a retry').optional(),
    continueSession: z.boolean().default(false).describe('Goes on with the earlier session'),
    overwriteMemory: z.boolean().default(false).describe('Starts with an empty memory file'),
    env: environment.optional().describe('Environment of the agent'),
    envFromSecrets: z
      .array(
        z.strictObject({
          name: line('Variable'),
          secretName: line('Secret'),
          secretKey: line('Key within the secret'),
        }),
      )
      .max(1000)
      .optional()
      .describe('Environment of the agent, from secrets'),
    taskRequirements: text('Requirements of the task, YAML in base64').optional(),
    enableDocker: z.boolean().optional().describe('Docker within the agent’s pod'),
    serviceAccountName: line('Service account of the agent’s pod').optional(),
    cliConfig: z.looseObject({}).meta(freeForm).optional().describe('Settings of the agent’s program'),
  }),
  [
    {
      rule: '!(has(self.escalationPolicy) && has(self.toolConfig) && has(self.toolConfig.escalationPolicy))',
      message: 'escalationPolicy stands in spec and in spec.toolConfig; keep one',
      holds: ({ escalationPolicy, toolConfig }) =>
        escalationPolicy === undefined || toolConfig?.escalationPolicy === undefined,
    },
  ],
);

export type CodeRunSpec = z.output<typeof codeRunSpec>;

export const codeRunStatus = status;
