// The commands with their options, as commander has them. docs/cli.md is checked against these definitions; what a command does lives in its own file.
import { Command, InvalidArgumentError } from 'commander';
import { version } from '../version.ts';
import type { AddOptions } from './add.ts';
import type { ApiOptions } from './api.ts';
import type { ApproveOptions } from './approve.ts';
import type { Console } from './console.ts';
import type { CreateOptions } from './create.ts';
import type { ClientOptions } from './target.ts';
import type { ImportOptions } from './import.ts';
import type { PluginOptions } from './place.ts';
import type { ProbeOptions } from './probe-plugins.ts';
import type { RemoveOptions } from './remove.ts';
import type { SearchOptions } from './search.ts';
import type { ContextOptions, EscalationOptions, RenderOptions } from './task.ts';
import type { UpOptions } from './up.ts';

/** Takes the exit code of a command that ended without throwing. */
type Settle = (exitCode: number) => void;

/** The program; `settle` is called with the exit code when a command has run. */
export function buildProgram(output: Console, settle: Settle): Command {
  const program = new Command('plugboard')
    .description('An MCP proxy made of plugins: gives each agent exactly the tools its task needs.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .exitOverride()
    // What it writes there by itself is the help of a command that needs a subcommand.
    .configureOutput({ writeErr: (text) => (output.json ? undefined : output.note(text)), outputError: () => {} })
    .showSuggestionAfterError(true);
  addUp(program, output, settle);
  addClients(program, output, settle);
  addTasks(program, output, settle);
  addPlugins(program, output, settle);
  addCreate(program, output, settle);
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

function addTasks(program: Command, output: Console, settle: Settle): void {
  const task = program.command('task').description('tasks of the running proxy: their tools, context and tokens');
  const load = () => import('./task.ts');
  const repeated = (value: string, before: readonly string[] = []) => [...before, value];
  api(task.command('apply'))
    .description('create the tasks of a file, or replace them')
    .argument('<file>', 'YAML or JSON, one TaskRun or several; - reads stdin')
    .action(async (file: string, options: ApiOptions) =>
      settle(await (await load()).applyTasks(file, options, output)),
    );
  api(task.command('list'))
    .description('list all tasks and how they stand')
    .action(async (options: ApiOptions) => settle(await (await load()).listTasks(options, output)));
  api(task.command('show'))
    .description('show one task: its status, and each of its selectors')
    .argument('<id>', taskId)
    .action(async (id: string, options: ApiOptions) => settle(await (await load()).showTask(id, options, output)));
  api(task.command('context'))
    .description('change the tools of a task while it runs, and add to its context; without options: show its context')
    .argument('<id>', taskId)
    .option('--enable <selector>', 'a tool to enable, e.g. github:merge_pr (may be repeated)', repeated)
    .option('--disable <selector>', 'a tool to disable (may be repeated)', repeated)
    .option('--message <text>', 'what the agent shall know')
    .option('--reason <text>', 'why, for the journal')
    .action(async (id: string, options: ContextOptions) =>
      settle(await (await load()).taskContext(id, options, output)),
    );
  api(task.command('token'))
    .description('make a token for a task, or exchange it for a new one; it is printed this once')
    .argument('<id>', taskId)
    .option('--revoke', 'make none, and refuse the one there is')
    .action(async (id: string, options: ApiOptions & { revoke?: boolean }) =>
      settle(await (await load()).taskToken(id, options, output)),
    );
  api(task.command('render'))
    .description('print what the agent of a task needs: files, flags or manifests')
    .argument('<id>', taskId)
    .requiredOption('--for <target>', 'claude or kubernetes')
    .option('--layout <layout>', 'kubernetes: service (default) or sidecar')
    .option('--out <folder>', 'write the files into this folder')
    .action(async (id: string, options: RenderOptions) => settle(await (await load()).renderTask(id, options, output)));
  api(task.command('journal'))
    .description('show who changed a task, when and why')
    .argument('<id>', taskId)
    .action(async (id: string, options: ApiOptions) => settle(await (await load()).taskJournal(id, options, output)));
  api(task.command('escalations'))
    .description('list the tools that agents have asked for, or decide on one request')
    .option('--all', 'also those that are decided')
    .option('--grant <id>', 'grant this request')
    .option('--refuse <id>', 'refuse this request')
    .option('--comment <text>', 'why, for the agent and the journal')
    .action(async (options: EscalationOptions) => settle(await (await load()).taskEscalations(options, output)));
  api(task.command('delete'))
    .description('delete a task; its token is refused from then on')
    .argument('<id>', taskId)
    .action(async (id: string, options: ApiOptions) => settle(await (await load()).deleteTask(id, options, output)));
}

const taskId = 'its name, namespace/name, or its taskId where only one task has it';

/** Options of the commands that use the management API. */
function api(command: Command): Command {
  return common(command)
    .option('--api <url>', 'the management API of another proxy, e.g. http://127.0.0.1:8807/api/v1')
    .option('--token-file <file>', 'with --api: its token (else: the environment variable PLUGBOARD_API_TOKEN)');
}

function addPlugins(program: Command, output: Console, settle: Settle): void {
  const load = () => import('./plugins.ts');
  const repeated = (value: string, before: readonly string[] = []) => [...before, value];
  indexed(program.command('search'))
    .description('find plugins, and servers that are configured rather than installed')
    .argument('[words...]', 'all of them must occur; none: everything')
    .option(
      '--kind <kind>',
      'only of this kind: server, transport, policy, store, management, integration, or `mcp server`',
    )
    .action(async (words: string[], options: SearchOptions) =>
      settle(await (await import('./search.ts')).search(words, options, output)),
    );
  indexed(program.command('info'))
    .description('show what the index has of a plugin or server: versions, needs, tools')
    .argument('<id>', 'its id or package')
    .action(async (id: string, options: SearchOptions) =>
      settle(await (await import('./info.ts')).info(id, options, output)),
    );
  indexed(program.command('add'))
    .description('install plugins, or configure servers of the catalogue; a running proxy takes them at once')
    .argument('<names...>', 'ids; a plugin also as @scope/package, and with @version')
    .option('--yes', 'do not ask; needed where nobody can be asked')
    .option('--options <json>', 'options of the plugin, as they shall stand in the configuration')
    .option('--server', 'the server of that id, though there is a plugin of the same id')
    .option('--as <name>', 'a server: the name to configure it by')
    .option('--set <name=value>', 'a server: a value that it takes (may be repeated)', repeated)
    .action(async (names: string[], options: AddOptions) =>
      settle(await (await import('./add.ts')).add(names, options, output)),
    );
  common(program.command('remove'))
    .description('remove plugins, and servers of the configuration')
    .argument('<names...>', 'ids of plugins, names of servers')
    .option('--server', 'the server of that name, though there is a plugin of the same id')
    .action(async (names: string[], options: RemoveOptions) =>
      settle(await (await import('./remove.ts')).remove(names, options, output)),
    );
  indexed(program.command('update'))
    .description('bring plugins to their newest versions that fit; what does not start is taken back')
    .argument('[ids...]', 'none: all')
    .action(async (ids: string[], options: PluginOptions) => settle(await (await load()).update(ids, options, output)));
  common(program.command('install'))
    .description('install the plugins that plugboard.lock names, byte for byte the same')
    .action(async (options: PluginOptions) => settle(await (await load()).install(options, output)));
  common(program.command('list'))
    .description('list the plugins of the configuration and their versions')
    .action(async (options: PluginOptions) => settle(await (await load()).list(options, output)));
  indexed(program.command('outdated'))
    .description('list plugins of which there is a newer version')
    .action(async (options: PluginOptions) => settle(await (await load()).outdated(options, output)));
  program
    .command('probe', { hidden: true })
    .argument('<folder>')
    .action(async (folder: string) => settle(await (await import('./probe.ts')).probe(folder, output)));
  common(program.command('probe-plugins', { hidden: true }))
    .option('--port <number>', 'check this port, whatever the file says', toPort)
    .option('--skip <key>', 'leave this plugin out (may be repeated)', repeated)
    .action(async (options: ProbeOptions) => settle(await (await import('./probe-plugins.ts')).probePlugins(options)));
}

/** Options of the commands that read plugin indexes. */
function indexed(command: Command): Command {
  return common(command).option(
    '--refresh',
    'ask the index servers now, instead of using copies of the last 15 minutes',
  );
}

function addCreate(program: Command, output: Console, settle: Settle): void {
  common(program.command('create'))
    .description('make the folder of a new plugin, ready to be tested and published')
    .argument('<id>', 'its id: lower-case letters, digits and dashes')
    .option('--kind <kind>', 'what it is: server (default), policy, transport or store')
    .option('--directory <folder>', 'its folder (default: the id, here)')
    .option('--package <name>', 'its npm package (default: plugboard-plugin-<id>)')
    .option('--yes', 'do not ask')
    .action(async (id: string, options: CreateOptions) =>
      settle(await (await import('./create.ts')).create(id, options, output)),
    );
}

function addHelpers(program: Command, output: Console, settle: Settle): void {
  common(program.command('approve'))
    .description('show which tools differ from what was approved, or approve those of a server as they are now')
    .argument('[servers...]', 'names of servers; none: only show')
    .option('--all', 'approve the tools of all servers')
    .option('--check', 'only show, and end with 1 when a tool is held back')
    .action(async (names: string[], options: ApproveOptions) =>
      settle(await (await import('./approve.ts')).approve(names, options, output)),
    );
  common(program.command('import'))
    .description('read servers and rules of other programs’ files: .mcp.json, servers-config.json, client-config.json')
    .argument('<file>', 'the file')
    .option('--as <format>', 'mcp, servers-config or client-config (else: found by its keys)')
    .option('--write', 'add the servers to the configuration instead of printing them')
    .action(async (file: string, options: Omit<ImportOptions, 'file'>) =>
      settle(await (await import('./import.ts')).importConfig({ ...options, file }, output)),
    );
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
