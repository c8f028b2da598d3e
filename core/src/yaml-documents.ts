// YAML as text: what its parser finds wrong, as lines for a person, and the documents of a stream. What they mean is not known here.
import { LineCounter, parseAllDocuments } from 'yaml';
import type { YAMLParseError } from 'yaml';
import { PlugboardError } from './errors.ts';
import type { ErrorCode } from './errors.ts';

/** Expanded aliases; a "billion laughs" file ends here. */
export const maxAliases = 100;

/** Problems of one text that are told: behind the first ones most only follow from them. */
const maxProblems = 10;

/** One document of a stream. */
export interface YamlDocument {
  /** Of its first value, counted from 1. */
  readonly line: number;
  readonly value: unknown;
}

/**
 * The documents of a YAML or JSON text, without those that are empty. Throws a {@link PlugboardError} of the code that names each place that
 * is wrong (`tasks.yaml:12:3: …`); one wrong document spoils all.
 */
export function readYamlDocuments(text: string, label: string, code: ErrorCode): YamlDocument[] {
  const lines = new LineCounter();
  try {
    const documents = parseAllDocuments(text, { lineCounter: lines, prettyErrors: false });
    const all = 'empty' in documents ? [] : documents;
    const errors = all.flatMap((document) => document.errors);
    if (errors.length > 0) throw new PlugboardError(code, describeYamlErrors(errors, text, label, lines));
    return all
      .filter(({ contents }) => contents !== null)
      .map((document) => ({
        line: lines.linePos(document.contents?.range?.[0] ?? 0).line,
        value: document.toJS({ maxAliasCount: maxAliases }) as unknown,
      }));
  } catch (error) {
    if (error instanceof PlugboardError) throw error;
    throw new PlugboardError(code, `${label}: ${(error as Error).message}`, { cause: error });
  }
}

/** One line per problem: `plugboard.yaml:12:3: …`. The parser's own sentences, without its pictures. */
export function describeYamlErrors(
  errors: readonly YAMLParseError[],
  text: string,
  label: string,
  lines: LineCounter,
): string {
  const told = errors.slice(0, maxProblems).map((error) => {
    const { line, col } = lines.linePos(error.pos[0]);
    return `${label}:${line}:${col}: ${describe(error, text)}`;
  });
  if (errors.length > maxProblems) told.push(`${label}: and ${errors.length - maxProblems} more`);
  return told.join('\n');
}

/** What the parser found, with the key where it does not name it. */
function describe({ code, message, pos }: YAMLParseError, text: string): string {
  if (code !== 'DUPLICATE_KEY') return message;
  const key = /^(?:"[^"\n]*"|'[^'\n]*'|[^:\s]+)/.exec(text.slice(pos[0]))?.[0] ?? '';
  return `the key ${key} stands here a second time: keep one of the two`;
}
