// The commands with their options, as commander has them. docs/cli.md is checked against these definitions; what a command does lives in its own file.
import { Command, InvalidArgumentError } from 'commander';
import { version } from '../version.ts';
import type { Console } from './console.ts';
import type { ClientOptions } from './target.ts';
import type { UpOptions } from './up.ts';

/** Takes the exit code of a command that ended without throwing. */
type Settle = (exitCode: number) => void;

/** The program; `settle` is called with the exit code when a command has run. */
export function buildProgram(output: Console, settle: Settle): Command {
  const program = new Command('plugboard')
    .description('An MCP proxy made of plugins: gives each agent exactly the tools its task needs.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeErr: () => {}, outputError: () => {} })
    .showSuggestionAfterError(true);
  addUp(program, output, settle);
  addClients(program, output, settle);
  addHelpers(program, output, settle);
  return program;
}

function addUp(program: Command, output: Console, settle: Settle): void {
  common(program.command('up'))
    .description('start the proxy and keep it running')
    .option('--port <number>', 'listen on this port (0: a free one), whatever the file says', toPort)
    .option('--stdio', 'serve one client over stdin and stdout; no HTTP unless --port is given too')
    .action(async (options: UpOptions) => settle(await (await import('./up.ts')).up(options, output)));
}

function addClients(program: Command, output: Console, settle: Settle): void {
  client(program.command('tools'))
    .description('list the tools that a caller of the running proxy sees')
    .argument('[selector]', 'only those that it matches, e.g. github:create_*')
    .action(async (selector: string | undefined, options: ClientOptions) =>
      settle(await (await import('./tools.ts')).tools(selector, options, output)),
    );
  client(program.command('call'))
    .description('call a tool of the running proxy')
    .argument('<tool>', 'its name as `plugboard tools` lists it, or server:tool')
    .argument(
      '[arguments...]',
      'one JSON object, `-` to read it from stdin, or key=value (text or JSON, by the tool’s schema) and key:=JSON',
    )
    .action(async (tool: string, values: string[], options: ClientOptions) =>
      settle(await (await import('./call.ts')).call(tool, values, options, output)),
    );
  client(program.command('servers'))
    .description('list the servers of the running proxy and how they are')
    .action(async (options: ClientOptions) => settle(await (await import('./servers.ts')).servers(options, output)));
}

function addHelpers(program: Command, output: Console, settle: Settle): void {
  common(program.command('doctor'))
    .description('check the configuration and everything it needs')
    .option('--port <number>', 'check this port, whatever the file says', toPort)
    .action(async (options: { config?: string; port?: number }) =>
      settle(await (await import('./doctor.ts')).doctor(options, output)),
    );
  common(program.command('init'))
    .description('write a configuration file to start from')
    .action(async (options: { config?: string }) => settle(await (await import('./init.ts')).init(options, output)));
}

/** Options of every command. */
function common(command: Command): Command {
  return command
    .option('--config <file>', 'the configuration file (default: plugboard.yaml, .yml or .json here)')
    .option('--json', 'print JSON');
}

/** Options of the commands that speak to a running proxy. */
function client(command: Command): Command {
  return common(command)
    .option('--port <number>', 'the port the proxy listens on, whatever the file says', toPort)
    .option('--grant <name>', 'speak as this grant of the file')
    .option(
      '--token-file <file>',
      'speak with the token in this file (else: the environment variable PLUGBOARD_TOKEN)',
    );
}

function toPort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('It must be a number from 0 to 65535.');
  return port;
}
