// What an agent does in each client scenario of the suites: the calls and the answers. How it is connected is not known
// here.
import type { Client, ElicitRequest, ElicitResult } from '@modelcontextprotocol/client';

/** What a scenario is played with. */
export interface Play {
  client: Client;
  /** What the suite hands to the client: `MCP_CONFORMANCE_CONTEXT`. */
  context: ScenarioContext;
}

/** The parts of the suite's context that the scenarios here read. */
export interface ScenarioContext {
  toolCalls?: { name: string; arguments: Record<string, unknown> }[];
  client_id?: string;
  client_secret?: string;
  issuer?: string;
}

type Script = (play: Play) => Promise<unknown>;

const scripts: Record<string, Script> = {
  initialize: ({ client }) => client.listTools(),
  tools_call: async ({ client }) => {
    await client.listTools();
    await client.callTool({ name: 'add_numbers', arguments: { a: 5, b: 3 } });
  },
  'elicitation-sep1034-client-defaults': ({ client }) => call(client, 'test_client_elicitation_defaults'),
  'sse-retry': ({ client }) => call(client, 'test_reconnection'),
  'request-metadata': ({ client }) => client.listTools(),
  'sep-2322-client-request-state': async ({ client }) => {
    await client.listTools();
    // The unrelated call goes out while the first one is between its rounds.
    await Promise.all([call(client, 'test_mrtr_echo_state'), call(client, 'test_mrtr_unrelated')]);
    await call(client, 'test_mrtr_no_state');
    await call(client, 'test_mrtr_no_result_type');
  },
  'http-standard-headers': async ({ client }) => {
    const { tools } = await client.listTools();
    for (const { name } of tools) await call(client, name);
    const { resources } = await client.listResources();
    for (const { uri } of resources) await client.readResource({ uri });
    const { prompts } = await client.listPrompts();
    for (const { name } of prompts) await client.getPrompt({ name });
  },
  'http-custom-headers': async ({ client, context }) => {
    await client.listTools();
    for (const toolCall of context.toolCalls ?? []) await client.callTool(toolCall);
  },
  'http-invalid-tool-headers': async ({ client }) => {
    const { tools } = await client.listTools();
    for (const { name } of tools) await client.callTool({ name, arguments: { region: 'us-west1' } });
  },
  'json-schema-ref-no-deref': ({ client }) => client.listTools(),
  'json-schema-2020-12-preservation': async ({ client }) => {
    const { tools } = await client.listTools();
    const schema = tools.find((tool) => tool.name === 'json_schema_2020_12_tool')?.inputSchema;
    await client.callTool({ name: 'json_schema_echo', arguments: { schema } });
  },
};

/** Plays a scenario with a connected client. Scenarios about authorization all list and call the one tool there is. */
export async function playScenario(scenario: string, play: Play): Promise<void> {
  const script = scenario.startsWith('auth/') ? useTestTool : scripts[scenario];
  if (script === undefined) throw new Error(`there is no script for the scenario ${scenario}`);
  await script(play);
}

/** Answers a question to the user by accepting it: with the defaults of the form, and `true` for what has none. */
export function acceptForm(params: ElicitRequest['params']): ElicitResult {
  const properties = 'requestedSchema' in params ? Object.entries(params.requestedSchema.properties) : [];
  const content = Object.fromEntries(
    properties.map(([name, property]) => [name, (property as { default?: string }).default ?? true]),
  );
  return { action: 'accept', content };
}

async function useTestTool({ client }: Play): Promise<void> {
  await client.listTools();
  await call(client, 'test-tool');
}

function call(client: Client, name: string): Promise<unknown> {
  return client.callTool({ name, arguments: {} });
}
