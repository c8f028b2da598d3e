// The conformance fixture as a program and as a function: starts it in an era on a transport and ends it. The features
// live in fixture/.
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { serveHttp } from './fixture/http.ts';
import { buildServer } from './fixture/server.ts';
import { type Era, FixtureState } from './fixture/state.ts';

/** A fixture that runs in this process. */
export interface RunningFixture {
  url: string;
  close(): Promise<void>;
}

/** Starts the fixture in this process on a port of its own (or on `port`). */
export async function startFixture(options: { era: Era; transport: 'http'; port?: number }): Promise<RunningFixture> {
  const state = new FixtureState();
  const { url, close } = await serveHttp(options.era, state, options.port);
  return {
    url,
    close: async () => {
      state.close();
      await close();
    },
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      era: { type: 'string' },
      transport: { type: 'string', default: 'http' },
      port: { type: 'string', default: '0' },
    },
  });
  const { era, transport } = values;
  if ((era !== 'old' && era !== 'new') || (transport !== 'http' && transport !== 'stdio')) {
    process.stderr.write('usage: fixture --era old|new --transport http|stdio [--port 0]\n');
    process.exit(2);
  }
  if (transport === 'http') await runHttp(era, Number(values.port));
  else await runStdio(era);
}

async function runHttp(era: Era, port: number): Promise<void> {
  const { url, close } = await startFixture({ era, transport: 'http', port });
  process.stdout.write(`${JSON.stringify({ url })}\n`);
  // Whoever starts the fixture holds its standard input: when that ends, nobody needs the fixture any more.
  process.stdin.once('end', () => void end(close));
  process.stdin.resume();
  endOnSignal(close);
}

async function runStdio(era: Era): Promise<void> {
  const state = new FixtureState();
  let closeServer: () => Promise<void>;
  const transport = new StdioServerTransport();
  if (era === 'old') {
    const server = buildServer(state, { era, follow: true });
    await server.connect(transport);
    closeServer = () => server.close();
  } else {
    const handle = serveStdio(() => buildServer(state, { era, follow: true }), { legacy: 'reject', transport });
    closeServer = () => handle.close();
  }
  const close = async () => {
    state.close();
    await closeServer();
  };
  process.stdin.once('end', () => void end(close));
  endOnSignal(close);
}

function endOnSignal(close: () => Promise<void>): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(close));
}

async function end(close: () => Promise<void>): Promise<void> {
  await close();
  process.exit(0);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
