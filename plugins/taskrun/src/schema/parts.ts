// Schemas that both kinds use: selectors, rules, the files of the context, the status. The kinds themselves are in files of their own.
import { z } from 'plugboard';
import { maxFiles, maxSelectorLength, maxSelectors } from './bounds.ts';
import { withRules } from './rule.ts';

/** Keeps what the schema does not know, in the API server as well. */
const freeForm = { 'x-kubernetes-preserve-unknown-fields': true };

/** A list of which each manager of the object may own some entries. */
const mapOf = (key: string) => ({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] });

const selector = z.string().min(1).max(maxSelectorLength);

const selectors = (description: string) => z.array(selector).max(maxSelectors).describe(description);

/** Members `allow` and `deny` with their defaults. */
export function allowAndDeny(
  texts: { readonly allow: string; readonly deny: string },
  allowed: readonly string[] = [],
) {
  return {
    allow: selectors(texts.allow).default([...allowed]),
    deny: selectors(texts.deny).default([]),
  };
}

export const withinLimit = {
  rule: `(has(self.allow) ? size(self.allow) : 0) + (has(self.deny) ? size(self.deny) : 0) <= ${maxSelectors}`,
  message: `allow and deny hold more than ${maxSelectors} entries together; use globs such as "create_*"`,
  holds: ({ allow, deny }: { allow: readonly string[]; deny: readonly string[] }) =>
    allow.length + deny.length <= maxSelectors,
};

/** `{allow, deny}`; deny beats allow. */
export function rules(texts: { readonly allow: string; readonly deny: string }, allowed: readonly string[] = []) {
  return withRules(z.strictObject(allowAndDeny(texts, allowed)), [withinLimit]);
}

/** A line of text in a field that names something. */
export const line = (description: string, max = 253) => z.string().min(1).max(max).describe(description);

/** Free text. */
export const text = (description: string, max = 262_144) => z.string().max(max).describe(description);

export const taskId = withRules(
  z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .describe('Number of the task'),
  [{ rule: 'self == oldSelf', message: 'taskId cannot change; create another object for another task' }],
);

export const contextVersion = withRules(
  z
    .int()
    .min(1)
    .max(2 ** 31 - 1)
    .describe('Version of the context; add-context counts it up'),
  [{ rule: 'self >= oldSelf', message: 'contextVersion never decreases' }],
).default(1);

export const markdownFiles = z
  .array(
    z.strictObject({
      filename: z
        .string()
        .max(253)
        .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/)
        .describe('Name without folders'),
      content: z.string().max(1_000_000).describe('The file'),
      fileType: z
        .enum(['task', 'design-spec', 'prompt', 'context', 'acceptance-criteria'])
        .optional()
        .describe('What the file is for'),
    }),
  )
  .max(maxFiles)
  .default([])
  .describe('Files that the agent gets as its context');

export const escalationPolicy = withRules(
  z.strictObject({
    mode: z
      .enum(['auto', 'allowlist', 'review'])
      .default('review')
      .describe('Who decides when the agent asks for more tools: nobody (granted), the allow list, or a person'),
    ...allowAndDeny({
      allow: 'Selectors that mode allowlist grants',
      deny: 'Selectors that are never granted, whatever the mode',
    }),
  }),
  [withinLimit],
);

const dateTime = (description: string) => z.string().describe(description).meta({ format: 'date-time' });

const count = (description: string) => z.int().min(0).describe(description);

const conditions = z
  .array(
    z.strictObject({
      type: line('Kind of condition, in CamelCase', 316),
      status: z.enum(['True', 'False', 'Unknown']).describe('Whether it holds'),
      reason: z.string().max(1024).optional().describe('Why, in one word'),
      message: z.string().max(32_768).optional().describe('Why, for people'),
      lastTransitionTime: dateTime('When the status last changed').optional(),
      observedGeneration: count('Generation of the object that it is about').optional(),
    }),
  )
  .max(100)
  .meta(mapOf('type'))
  .describe('Conditions; the proxy writes Accepted and ToolsReady');

/** Status of both kinds. What other controllers write there is kept. */
export const status = z
  .looseObject({
    phase: z.string().max(64).optional().describe('Phase of the run; belongs to the controller that runs the agent'),
    message: z.string().max(32_768).optional().describe('How it stands, for people'),
    conditions: conditions.optional(),
    tools: z
      .array(
        z.strictObject({
          selector: z.string().max(maxSelectorLength).describe('As written'),
          state: z
            .enum(['ready', 'waiting', 'failed', 'unmatched', 'denied'])
            .describe('Whether the tools it stands for can be called'),
          tools: count('How many tools it stands for').optional(),
          reason: z.string().max(1024).optional().describe('Why it is not ready'),
          nearest: z.array(z.string().max(maxSelectorLength)).max(3).optional().describe('Names it may have meant'),
        }),
      )
      .max(200)
      .optional()
      .describe('How each selector of the task stands; those that are not ready come first'),
    calls: count('Calls of tools').optional(),
    refusals: count('Calls that were refused').optional(),
    pendingEscalations: count('Requests for tools that wait for a decision').optional(),
    lastActivity: dateTime('Last request of the agent').optional(),
    tokenExpiresAt: dateTime('When the token of the task expires').optional(),
    contextVersion: count('Version of the context with all live changes').optional(),
  })
  .meta(freeForm)
  .describe('How the task stands');

export { freeForm, mapOf };
