// A client for the client suites: connects to the address it is given and plays the scenario that the suite names. The
// scripts live in client/.
import {
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { AutomaticProvider } from './client/authorization.ts';
import { playScenario, type ScenarioContext } from './client/scenarios.ts';
import { newClient, readSituation } from './client/situation.ts';

// A client that is sent to authorize again and again gives up; the suites count three attempts as too few to mind.
const attempts = 3;

async function main(): Promise<void> {
  const { scenario, version, context, url } = readSituation();
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

function registeredClient({ client_id, client_secret, issuer }: ScenarioContext) {
  if (client_id === undefined || client_secret === undefined || issuer === undefined) return undefined;
  return { client_id, client_secret, issuer, redirect_uris: [] };
}

await main();
