// An agent, as far as tests of deployments need one: what it sees with its token. No expectations live here.
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

/** Names of the tools that a token sees. */
export async function toolsOf(url: string, token: string): Promise<string[]> {
  const client = new Client({ name: 'agent', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: { headers: { Authorization: `Bearer ${token}` } },
  });
  await client.connect(transport);
  try {
    return (await client.listTools()).tools.map(({ name }) => name).sort();
  } finally {
    await client.close();
  }
}
