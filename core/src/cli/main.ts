// The entry of the command line. Everything else is imported on demand: a start should read no more than its command needs.
import { run } from './run.ts';

process.exitCode = await run(process.argv.slice(2));
