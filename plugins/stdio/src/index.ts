// The plugin: gives the transport the process's own streams, keeps others off standard output, and ends the process with its client.
import { Console } from 'node:console';
import { definePlugin, z } from 'plugboard';
import { createStdioTransport } from './transport.ts';

export { createStdioTransport } from './transport.ts';
export type { StdioTransport, StdioTransportOptions } from './transport.ts';

const mebibyte = 1024 * 1024;

/** ms that whoever else watches standard input has to stop the proxy before this plugin asks for it. */
const patience = 1000;

const options = z.strictObject({
  maxLineBytes: z
    .int()
    .min(1024)
    .max(512 * mebibyte)
    .default(16 * mebibyte)
    .describe('Longest message that is read, in bytes'),
  server: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,40}$/)
    .optional()
    .describe('Shows only this server, with its own tool names'),
  token: z
    .string()
    .min(1)
    .optional()
    .describe('Secret: token of the grant that the client gets; without it, the grant of callers without a credential'),
});

export default definePlugin({
  id: 'stdio',
  apiVersion: 1,
  title: 'stdio',
  description: 'Serves the client that started this process over standard input and output, both protocol eras',
  exclusive: true,
  options,
  apply({ board, log, signal }, { maxLineBytes, server, token }) {
    // Standard output is the protocol's: one stray console.log of some plugin would break it.
    const before = globalThis.console;
    const quiet = new Console({ stdout: process.stderr, stderr: process.stderr });
    globalThis.console = quiet;
    const transport = createStdioTransport(board, {
      input: process.stdin,
      output: process.stdout,
      log,
      maxLineBytes,
      server,
      token,
      onEnd: () => {
        log.info('the client has gone');
        endProcess(signal);
      },
    });
    return async () => {
      await transport.stop();
      if (globalThis.console === quiet) globalThis.console = before;
    };
  },
});

/** Asks this process to stop, the way a service manager would: there is one way to shut down. Not when it is already stopping: to ask twice means "at once". */
function endProcess(signal: AbortSignal): void {
  if (signal.aborted) return;
  const timer = setTimeout(() => process.kill(process.pid, 'SIGTERM'), patience);
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
}
