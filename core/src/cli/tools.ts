// `plugboard tools`: what a caller of the running proxy sees.
import { PlugboardError } from '../errors.ts';
import { compileGlob } from '../glob.ts';
import type { Tool } from '../protocol/messages.ts';
import { compileRules } from '../selectors.ts';
import type { RuleMatcher, SelectableName } from '../selectors.ts';
import { Client } from './client.ts';
import type { Console } from './console.ts';
import { counted } from './counted.ts';
import { exitCodes } from './exit-codes.ts';
import { findTarget } from './target.ts';
import type { ClientOptions } from './target.ts';

/** Lists tools, all or those that a selector matches. */
export async function tools(selector: string | undefined, options: ClientOptions, output: Console): Promise<number> {
  const target = await findTarget(options, output);
  const client = await Client.connect(target, output);
  try {
    const all = await client.listTools();
    const selection = selector === undefined ? undefined : new Selection(selector, all);
    const shown = selection?.shown ?? all;
    if (output.json) output.printJson({ tools: shown });
    else await print(shown, all.length, output);
    if (selection !== undefined && shown.length === 0 && all.length > 0) output.note(selection.describeNothing());
    if (all.length === 0 && target.token === undefined) output.note(target.credential);
  } finally {
    await client.close();
  }
  return exitCodes.ok;
}

async function print(shown: readonly Tool[], count: number, output: Console): Promise<void> {
  if (shown.length > 0)
    output.print(
      await output.table(
        ['tool', 'what it does'],
        shown.map((tool) => [tool.name, summaryOf(tool)]),
      ),
    );
  output.note(shown.length === count ? counted(count, 'tool') : `${shown.length} of ${counted(count, 'tool')}`);
}

/** The first sentence of a tool's description. */
function summaryOf(tool: Tool): string {
  const text = typeof tool['description'] === 'string' ? tool['description'].trim() : '';
  const [sentence = ''] = /^.*?(?:[.!?](?=\s|$)|\n|$)/s.exec(text) ?? [];
  return sentence.length > 100 ? `${sentence.slice(0, 99)}…` : sentence;
}

/** Which tools a selector means. A client sees `server_tool` and not where the server's name ends: each `_` may be that place. */
class Selection {
  readonly shown: readonly Tool[];
  readonly #selector: string;
  readonly #rules: RuleMatcher;
  readonly #readings: readonly SelectableName[];

  /** Throws USAGE. */
  constructor(selector: string, all: readonly Tool[]) {
    this.#selector = selector;
    this.#readings = all.flatMap(({ name }) => readingsOf(name));
    try {
      const servers = [...new Set(this.#readings.map(({ server }) => server))];
      this.#rules = compileRules({ allow: [selector], deny: [] }, { servers });
      const globs = compileGlob(selector.replace(':', '_'));
      const matches = ({ name }: Tool) =>
        globs.some((glob) => glob.matches(name)) ||
        readingsOf(name).some(({ server, tool }) => this.#rules.allows(server, tool));
      this.shown = all.filter(matches);
    } catch (error) {
      throw new PlugboardError('USAGE', (error as Error).message);
    }
  }

  /** What to say when nothing is shown. */
  describeNothing(): string {
    const nearest = this.#rules.unmatched(this.#readings).flatMap((each) => each.nearest);
    const hint = nearest.length === 0 ? '' : ` (nearest: ${nearest.join(', ')})`;
    return `selector "${this.#selector}" matches no tool${hint}`;
  }
}

function readingsOf(name: string): SelectableName[] {
  return [...name.matchAll(/(?<=.)_(?=.)/g)].map(({ index }) => ({
    server: name.slice(0, index),
    tool: name.slice(index + 1),
  }));
}
