// What the board says of selectors and of the tools that there are, in the form in which `toolset.ts` asks for it.
import type { BoardApi, Grant, SelectorReport } from 'plugboard';
import type { Catalogue } from './toolset.ts';
import { literal } from './toolset.ts';

/** The board names at most so many tools in one report. */
const mostNamed = 1000;

/** The board's reports on selectors by themselves: what they mean, whatever the grant may use. */
export function reportsOn(board: BoardApi, grant: string, selectors: readonly string[]): readonly SelectorReport[] {
  return board.inspect(probe(grant, selectors));
}

/** Looks at the catalogue as one grant sees it, once for all the selectors. */
export function catalogueOf(board: BoardApi, grant: string, selectors: readonly string[]): Catalogue {
  const everything = probe(grant, ['*']);
  const byServer = new Map(
    board
      .servers(everything)
      .map(({ name }) => [name, board.catalogue(name, everything)?.tools.map((tool) => `${name}:${tool.name}`) ?? []]),
  );
  const meanings = new Map<string, ReadonlySet<string>>();
  for (const { selector, tools } of reportsOn(board, grant, [...new Set(selectors)]))
    meanings.set(selector, new Set(tools.length < mostNamed ? tools : unabridged(board, grant, selector, byServer)));
  return {
    tools: [...byServer.values()].flat(),
    meaning: (selector) => meanings.get(selector) ?? new Set(),
  };
}

/** Server by server. Where even one server's tools are too many to be named, all of them are taken as meant. */
function unabridged(
  board: BoardApi,
  grant: string,
  selector: string,
  byServer: ReadonlyMap<string, readonly string[]>,
): string[] {
  return [...byServer].flatMap(([server, all]) => {
    const bound = { allow: [`${literal(server)}:*`], deny: [] };
    const tools = board.inspect({ ...probe(grant, [selector]), within: [bound] })[0]?.tools ?? [];
    return tools.length < mostNamed ? tools : all;
  });
}

function probe(id: string, allow: readonly string[]): Grant {
  return { id, tools: { allow, deny: [] } };
}

/** What is wrong with selectors, or undefined. Only those are tried that could be wrong: there may be thousands. */
export function wrongSelectors(board: BoardApi, grant: string, selectors: readonly string[]): string | undefined {
  const doubtful = selectors.filter((selector) => !/^[^:{}]+(?::[^{}]+)?$/s.test(selector) || selector.length > 512);
  try {
    if (doubtful.length > 0) board.inspect(probe(grant, doubtful));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
