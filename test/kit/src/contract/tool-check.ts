// Tools as clients read them: names, texts, annotations, schemas. Nothing is called.
import { Ajv } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { isObject } from 'plugboard';
import type { JsonObject, Tool } from 'plugboard';

/**
 * Checks the tools of one server. Returns one sentence for each problem. `foreign`: the server is somebody else's, so that only what clients
 * could stumble over is asked: names and schemas.
 */
export function checkTools(server: string, tools: readonly Tool[], foreign = false): string[] {
  const names = tools.map(({ name }) => name);
  const twice = names.filter((name, index) => names.indexOf(name) !== index);
  return [
    ...twice.map((name) => `${server}: tool "${name}" is there twice`),
    ...tools.flatMap((tool) => checkTool(tool, foreign).map((problem) => `${server}: tool "${tool.name}": ${problem}`)),
  ];
}

function checkTool(tool: Tool, foreign: boolean): string[] {
  const { name, inputSchema, outputSchema } = tool;
  const problems = foreign ? [] : checkTexts(tool);
  // 2025-11-25, tools: names of 1 to 128 characters; clients that prefix them cut what has other characters than these.
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(name)) problems.push('its name must be 1 to 128 letters, digits, "_" and "-"');
  problems.push(...checkSchema('inputSchema', inputSchema));
  if (outputSchema !== undefined) problems.push(...checkSchema('outputSchema', outputSchema));
  return problems;
}

function checkTexts({ title, description, annotations = {} }: Tool): string[] {
  const problems: string[] = [];
  if (isBlank(title) && isBlank(annotations['title'])) problems.push('it has no title: people choose by it');
  if (isBlank(description)) problems.push('it has no description: agents choose by it');
  return [...problems, ...checkAnnotations(annotations)];
}

function isBlank(text: unknown): boolean {
  return typeof text !== 'string' || text.trim() === '';
}

const hints = ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'];

function checkAnnotations(annotations: JsonObject): string[] {
  const wrong = hints.filter((hint) => hint in annotations && typeof annotations[hint] !== 'boolean');
  const problems = wrong.map((hint) => `annotations.${hint} must be true or false`);
  if (annotations['readOnlyHint'] === undefined)
    problems.push('annotations.readOnlyHint is missing: say whether it only reads; policies go by it');
  else if (annotations['readOnlyHint'] === false && annotations['destructiveHint'] === undefined)
    problems.push(
      'annotations.destructiveHint is missing: say whether it may destroy something; unsaid, it counts as true',
    );
  return problems;
}

/** JSON Schema 2020-12 unless it names another draft (2025-11-25, JSON Schema usage). */
function checkSchema(member: string, schema: unknown): string[] {
  if (!isObject(schema)) return [`${member} is no object`];
  if (schema['type'] !== 'object') return [`${member}.type must be "object"`];
  const draft = schema['$schema'];
  const isDraft7 = typeof draft === 'string' && draft.includes('draft-07');
  const options = { strict: false, allErrors: true, validateFormats: false };
  const validator = isDraft7 ? new Ajv(options) : new Ajv2020(options);
  try {
    if (validator.validateSchema(schema) !== true) return [`${member} is no valid schema: ${validator.errorsText()}`];
    validator.compile(schema);
  } catch (error) {
    return [`${member} cannot be used: ${(error as Error).message}`];
  }
  return [];
}
