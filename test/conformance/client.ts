// A client for the client suites: connects to the address it is given and plays the scenario that the suite names. The
// scripts live in client/.
import {
  Client,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { AutomaticProvider } from './client/authorization.ts';
import { acceptForm, playScenario, type ScenarioContext } from './client/scenarios.ts';

// A client that is sent to authorize again and again gives up; the suites count three attempts as too few to mind.
const attempts = 3;

async function main(): Promise<void> {
  const scenario = process.env.MCP_CONFORMANCE_SCENARIO ?? '';
  const version = process.env.MCP_CONFORMANCE_PROTOCOL_VERSION ?? '';
  const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}') as ScenarioContext;
  const url = process.argv.at(-1);
  if (scenario === '' || version === '' || url === undefined || !URL.canParse(url)) {
    throw new Error('usage: client URL, with the MCP_CONFORMANCE_… variables that the suite sets');
  }
  const provider = new AutomaticProvider(registeredClient(context));
  for (let attempt = 1; ; attempt++) {
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      authProvider: provider as OAuthClientProvider,
    });
    const client = newClient(version);
    try {
      await client.connect(transport);
      await playScenario(scenario, { client, context });
      return;
    } catch (error) {
      if (!(error instanceof UnauthorizedError) || provider.callback === undefined || attempt === attempts) throw error;
      await transport.finishAuth(provider.callback);
    } finally {
      await client.close();
    }
  }
}

function newClient(version: string): Client {
  const mode = version === '2026-07-28' ? { pin: version } : 'legacy';
  const client = new Client(
    { name: 'plugboard-conformance-client', version: '1.0.0' },
    { capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} }, versionNegotiation: { mode } },
  );
  client.setRequestHandler('elicitation/create', ({ params }) => acceptForm(params));
  return client;
}

function registeredClient({ client_id, client_secret, issuer }: ScenarioContext) {
  if (client_id === undefined || client_secret === undefined || issuer === undefined) return undefined;
  return { client_id, client_secret, issuer, redirect_uris: [] };
}

await main();
