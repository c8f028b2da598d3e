// What the programs of this package have in common: their help, and their errors as a sentence.
import path from 'node:path';

/** Wrong arguments of a program: its usage is shown with them. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Runs `main` when `file` is the program that was started. `--help` prints `usage`; what `main` throws becomes one line and exit code 1, 2 for wrong arguments. */
export async function runAsProgram(file: string, usage: string, main: () => Promise<void>): Promise<void> {
  if (process.argv[1] === undefined || file !== path.resolve(process.argv[1])) return;
  if (process.argv.slice(2).some((argument) => argument === '--help' || argument === '-h')) {
    console.log(usage);
    return;
  }
  const name = path.basename(file, '.js');
  try {
    await main();
  } catch (error) {
    const wrong = error instanceof UsageError || isParseError(error);
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}${wrong ? `\n${usage}` : ''}`);
    process.exitCode = wrong ? 2 : 1;
  }
}

/** An error of `parseArgs`. */
function isParseError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
