// A client for the client suites whose every request goes through the proxy: starts one in front of the address it is given, connects to
// it, and plays the scenario. What the suite sees is the proxy's upstream side.
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { JsonObject, Log } from 'plugboard';
import { playScenario, type ScenarioContext } from './client/scenarios.ts';
import { newClient, readSituation } from './client/situation.ts';
import { startProxy } from './proxy.ts';

// A user who reads the proxy's log and opens the addresses that it asks to open.
const userWithBrowser: Log = {
  debug: () => {},
  info: () => {},
  warn: (message, fields) => {
    const address: unknown = Reflect.get(fields ?? {}, 'signIn');
    if (typeof address !== 'string') process.stderr.write(`${message}\n`);
    else void open(address);
  },
  error: (message) => process.stderr.write(`${message}\n`),
};

const { scenario, version, context, url } = readSituation();
const { url: proxied, close } = await startProxy(
  { type: 'http', url, ...signingIn(scenario, context) },
  userWithBrowser,
);
const client = newClient(version);
try {
  await client.connect(new StreamableHTTPClientTransport(new URL(proxied)));
  await playScenario(scenario, { client, context });
} finally {
  await client.close();
  await close();
}

/** The member `oauth` of the server's entry: what a user would configure for the client that the suite registered, or describes. */
function signingIn(
  scenario: string,
  { client_id: clientId, client_secret: clientSecret, issuer }: ScenarioContext,
): JsonObject {
  if (!scenario.startsWith('auth/')) return {};
  // The suites know a client by this address; nothing is fetched from it.
  const clientMetadataUrl = 'https://conformance-test.local/client-metadata.json';
  if (clientId === undefined) return { oauth: { clientMetadataUrl } };
  const secret = clientSecret === undefined ? {} : { clientSecret };
  return { oauth: { clientId, ...secret, ...(issuer === undefined ? {} : { issuer }) } };
}

/** Follows all redirects, up to the page of the proxy: the suites' authorization servers ask nobody. */
async function open(address: string): Promise<void> {
  try {
    const response = await fetch(address);
    if (!response.ok) process.stderr.write(`the browser shows: ${await response.text()}\n`);
  } catch (error) {
    process.stderr.write(`the browser cannot open the address: ${String(error)}\n`);
  }
}
