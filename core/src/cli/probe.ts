// `plugboard probe FOLDER`: loads one plugin and says what it is. Run in a process of its own, for what loads may do anything.
import { loadPlugin } from '../loader.ts';
import type { Console } from './console.ts';
import { exitCodes } from './exit-codes.ts';

/** Prints one line: `{"id"}` or `{"error"}`. */
export async function probe(folder: string, output: Console): Promise<number> {
  try {
    // A folder is named like a path.
    const { plugin } = await loadPlugin(folder.endsWith('/') ? folder : `${folder}/`, folder);
    // Options that are all optional must parse: what their schema throws would be thrown at every start.
    plugin.options?.safeParse({});
    output.printJson({ id: plugin.id }, 0);
  } catch (error) {
    output.printJson({ error: error instanceof Error ? error.message : String(error) }, 0);
  }
  // A plugin that opens something while it is loaded must not keep this process.
  process.exit(exitCodes.ok);
}
