// What the suite tells a client it starts, and a client made for it. How it is connected is not known here.
import { Client } from '@modelcontextprotocol/client';
import { acceptForm, type ScenarioContext } from './scenarios.ts';

/** The scenario to play, from the suite's environment and the last argument. */
export interface Situation {
  scenario: string;
  /** Protocol version that the scenario is about. */
  version: string;
  context: ScenarioContext;
  url: string;
}

/** Reads what the suite says. @throws if this program was not started by a suite. */
export function readSituation(): Situation {
  const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? '';
  const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? '';
  const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}') as ScenarioContext;
  const url = process.argv.at(-1);
  if (scenario === '' || version === '' || url === undefined || !URL.canParse(url)) {
    throw new Error('usage: client URL, with the MCP_CONFORMANCE_… variables that the suite sets');
  }
  return { scenario, version, context, url };
}

/** A client of the era that the version belongs to, which accepts what it is asked. */
export function newClient(version: string): Client {
  const mode = version === '2026-07-28' ? { pin: version } : 'legacy';
  const client = new Client(
    { name: 'plugboard-conformance-client', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} }, versionNegotiation: { mode } },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => acceptForm(params));
  return client;
}
