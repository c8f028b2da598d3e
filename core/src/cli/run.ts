// One run of the command line: parse, run the command, turn what it throws into a message and an exit code.
import type { Command, CommanderError } from 'commander';
import { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { readPlainUp } from './plain-up.ts';

/** Runs one command line (without `node` and the script). Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const output = new Console(args.includes('--json'));
  const plain = readPlainUp(args);
  if (plain !== undefined) {
    output.command = 'up';
    const { up } = await import('./up.ts');
    return up(plain, output).catch((error: unknown) => output.fail(error));
  }
  const { buildProgram } = await import('./program.ts');
  let code: number = exitCodes.ok;
  const program = buildProgram(output, (exitCode) => {
    code = exitCode;
  });
  output.command = commandOf(program, args);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (!isCommanderError(error)) return output.fail(error);
    if (error.exitCode === 0) return exitCodes.ok;
    output.command ??= /\(Did you mean ([\w ]+)\?\)/.exec(error.message)?.[1];
    return output.fail(await usageError(error));
  }
}

/** The command that a command line names, as far as there is one: `task list`. */
function commandOf(program: Command, args: readonly string[]): string | undefined {
  const names: string[] = [];
  let command: Command | undefined = program;
  for (const word of args) {
    command = command.commands.find((each) => each.name() === word);
    if (command === undefined) break;
    names.push(word);
  }
  return names.length === 0 ? undefined : names.join(' ');
}

function isCommanderError(error: unknown): error is CommanderError {
  // Not by its class or name: a bundler renames it.
  return error instanceof Error && 'code' in error && String(error.code).startsWith('commander.');
}

async function usageError(error: CommanderError): Promise<Error> {
  const { PlugboardError } = await import('../errors.ts');
  const message =
    error.code === 'commander.help'
      ? 'name a command'
      : error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return new PlugboardError('USAGE', message);
}
