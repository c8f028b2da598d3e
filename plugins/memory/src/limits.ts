// How much a graph may hold and one call may bring, and the checks with their messages. The schemas stay those of the reference server.
import { graphBytes, lineBytes } from './graph-format.ts';
import type { Change, Graph } from './graph.ts';

export interface Limits {
  /** Bytes of one graph's file. */
  readonly maxBytes: number;
  /** Bytes of one entity with all its observations, as its line in the file. */
  readonly maxEntityBytes: number;
  /** Bytes of one name, type, observation or query. */
  readonly maxTextBytes: number;
  /** Items of all lists in one call together. */
  readonly maxItems: number;
}

/** Throws when the arguments of one call bring more or longer items than allowed. Written for the agent that made the call. */
export function checkArguments(args: unknown, limits: Limits): void {
  let items = 0;
  const visit = (value: unknown, path: string): void => {
    if (typeof value === 'string') checkText(value, path, limits);
    else if (Array.isArray(value)) {
      items += value.length;
      if (items > limits.maxItems) {
        throw new Error(
          `${path}: more than ${limits.maxItems} items in one call (option maxItems); make several calls. Nothing was changed.`,
        );
      }
      for (const [index, each] of value.entries()) visit(each, `${path}[${index}]`);
    } else if (typeof value === 'object' && value !== null) {
      for (const [member, each] of Object.entries(value)) visit(each, path === '' ? member : `${path}.${member}`);
    }
  };
  visit(args, '');
}

function checkText(value: string, path: string, limits: Limits): void {
  // UTF-8 needs at most three bytes per UTF-16 unit: most strings are told fit by their length alone.
  if (value.length * 3 <= limits.maxTextBytes) return;
  const bytes = Buffer.byteLength(value);
  if (bytes <= limits.maxTextBytes) return;
  throw new Error(
    `${path}: ${bytes} bytes, at most ${limits.maxTextBytes} are allowed (option maxTextBytes); shorten it. Nothing was changed.`,
  );
}

/** Throws when a change makes an entity or the graph larger than allowed. A change that makes the graph smaller always passes. */
export function checkChange(before: Graph, change: Change<unknown>, limits: Limits): void {
  if (change.graph === before) return;
  for (const entity of change.grown) {
    const bytes = lineBytes(entity);
    if (bytes <= limits.maxEntityBytes) continue;
    const name = JSON.stringify(entity.name.slice(0, 80));
    throw new Error(
      `entity ${name} would take ${bytes} bytes, at most ${limits.maxEntityBytes} are allowed (option maxEntityBytes); ` +
        'delete observations or begin another entity. Nothing was changed.',
    );
  }
  const bytes = graphBytes(change.graph);
  if (bytes <= limits.maxBytes || bytes <= graphBytes(before)) return;
  throw new Error(
    `the memory is full: it would take ${bytes} bytes, at most ${limits.maxBytes} are allowed (option maxBytes); ` +
      'delete what is no longer needed. Nothing was changed.',
  );
}
