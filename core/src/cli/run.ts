// One run of the command line: parse, run the command, turn what it throws into a message and an exit code.
import type { CommanderError } from 'commander';
import { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';
import { readPlainUp } from './plain-up.ts';

/** Runs one command line (without `node` and the script). Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const output = new Console(args.includes('--json'));
  const plain = readPlainUp(args);
  if (plain !== undefined) {
    const { up } = await import('./up.ts');
    return up(plain, output).catch((error: unknown) => output.fail(error));
  }
  const { buildProgram } = await import('./program.ts');
  let code: number = exitCodes.ok;
  const program = buildProgram(output, (exitCode) => {
    code = exitCode;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    if (!isCommanderError(error)) return output.fail(error);
    if (error.exitCode === 0) return exitCodes.ok;
    // No command was named: commander would have shown its help.
    if (error.code === 'commander.help' && !output.json) output.note(program.helpInformation());
    return output.fail(await usageError(error));
  }
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
