// A client for the client suites whose every request goes through the proxy: starts one in front of the address it is given, connects to
// it, and plays the scenario. What the suite sees is the proxy's upstream side.
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { playScenario } from './client/scenarios.ts';
import { newClient, readSituation } from './client/situation.ts';
import { startProxy } from './proxy.ts';

const { scenario, version, context, url } = readSituation();
const { url: proxied, close } = await startProxy({ type: 'http', url });
const client = newClient(version);
try {
  await client.connect(new StreamableHTTPClientTransport(new URL(proxied)));
  await playScenario(scenario, { client, context });
} finally {
  await client.close();
  await close();
}
