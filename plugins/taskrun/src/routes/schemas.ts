// Schemas of what the routes take and answer: they validate, and they document the API.
import { z } from 'plugboard';

export const taskParams = z.strictObject({
  id: z
    .string()
    .min(1)
    .max(400)
    .describe('Name of the task, or `namespace/name` percent-encoded, or its taskId where only one task has it'),
});

export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(1000).default(100).describe('Items of one page'),
  after: z.string().max(400).optional().describe('`next` of the page before'),
};

const selectors = (text: string) => z.array(z.string().min(1).max(512)).max(10_000).optional().describe(text);

export const contextBody = z.strictObject({
  additional_context: z.string().max(1_000_000).optional().describe('Appended to what the agent reads as its context'),
  enable_tools: selectors(
    'Selectors that are switched on, as far as the ceiling lets them; permission rules of internal tools too',
  ),
  disable_tools: selectors('Selectors that are switched off'),
  reason: z.string().max(2000).optional().describe('Why; for the journal'),
});

export const toolsBody = z.strictObject({
  tools: z.array(z.string().min(1).max(512)).min(1).max(10_000).describe('Selectors'),
  reason: z.string().max(2000).optional().describe('Why; for the journal'),
});

export const tokenBody = z
  .strictObject({
    overlap: z
      .int()
      .min(0)
      .max(86_400_000)
      .optional()
      .describe('ms for which the old token goes on; default: the option token.overlap'),
  })
  .prefault({});

export const phaseBody = z.strictObject({
  phase: z.enum(['Pending', 'Running', 'Succeeded', 'Failed']),
  message: z.string().max(2000).optional(),
});

export const decisionBody = z.strictObject({
  decision: z.enum(['grant', 'refuse']),
  comment: z.string().max(2000).optional().describe('For the journal and the agent’s record'),
});

/** The manifest. Its own schema judges it, with better words than a route has. */
export const manifest = z.looseObject({}).describe('A TaskRun or CodeRun object: apiVersion, kind, metadata, spec');

const rules = z.strictObject({ allow: z.array(z.string()), deny: z.array(z.string()) });

export const conditionResult = z.strictObject({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  lastTransitionTime: z.string(),
});

export const reportResult = z.strictObject({
  selector: z.string(),
  state: z.enum(['ready', 'waiting', 'failed', 'unmatched', 'denied']),
  tools: z.array(z.string()),
  reason: z.string().optional(),
  nearest: z.array(z.string()),
});

export const statusResult = z.strictObject({
  phase: phaseBody.shape.phase,
  message: z.string().optional(),
  conditions: z.array(conditionResult),
  tools: z.array(reportResult),
  calls: z.int(),
  refusals: z.int(),
  lastActivity: z.string().optional(),
  contextVersion: z.int(),
  pendingEscalations: z.int(),
  tokenExpiresAt: z.string().optional(),
});

export const taskResult = z.strictObject({
  id: z.string(),
  uid: z.string(),
  namespace: z.string(),
  name: z.string(),
  source: z.enum(['folder', 'api', 'kubernetes']),
  origin: z.string(),
  object: z
    .looseObject({})
    .optional()
    .describe('The manifest as delivered, without the values of headers and environments'),
  spec: z.looseObject({ tools: rules, ceiling: rules }).describe('The object in one shape, whichever kind it has'),
  enabled: z.array(z.string()).describe('Switched on since the object was written'),
  disabled: z.array(z.string()),
  contextVersion: z.int(),
  status: statusResult,
  version: z.string().describe('For If-Match'),
  warnings: z.array(z.string()).describe('What the object says and probably does not mean'),
});

export const contextResult = z.strictObject({
  id: z.string(),
  contextVersion: z.int(),
  enabled: z.array(z.string()),
  disabled: z.array(z.string()),
  warnings: z.array(z.string()).describe('What does not do all that it says, and why'),
});

export const contextText = z.strictObject({
  id: z.string(),
  contextVersion: z.int(),
  text: z.string().describe('All of it, as the agent reads it; Markdown'),
  parts: z.array(z.strictObject({ at: z.string(), by: z.string(), version: z.int(), text: z.string() })),
});

export const journalResult = z.strictObject({
  number: z.int(),
  at: z.string(),
  by: z.string(),
  action: z.string(),
  reason: z.string().optional(),
  contextVersion: z.int(),
  enabled: z.array(z.string()).optional(),
  disabled: z.array(z.string()).optional(),
});

export const escalationResult = z.strictObject({
  id: z.string(),
  task: z.string(),
  tools: z.array(z.string()),
  reason: z.string(),
  requestedAt: z.string(),
  state: z.enum(['pending', 'granted', 'refused']),
  decidedBy: z.string().optional(),
  decidedAt: z.string().optional(),
  comment: z.string().optional(),
});

export const toolResult = z.strictObject({
  name: z.string().describe('As the agent sees it'),
  server: z.string(),
  tool: z.string(),
  description: z.string().optional(),
  inputSchema: z.looseObject({}),
  annotations: z.looseObject({}).optional(),
});

export const page = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ items: z.array(item), next: z.string().optional().describe('`after` of the next page') });
