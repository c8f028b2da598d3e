// The tools that run SQL and change nothing: query, next_page, explain.
import { localTool, z } from 'plugboard';
import type { LocalTool, ToolResult } from 'plugboard';
import type { QueryPage } from './database.ts';
import type { Limits } from './options.ts';
import type { Lease } from './server.ts';
import { answer, asText, columns, params, reads, rows, sqlText } from './tool-parts.ts';
import type { Context } from './tool-parts.ts';

const output = z.strictObject({
  columns,
  rows,
  rowCount: z.int().describe('Rows in this answer'),
  cursor: z.string().optional().describe('There are more rows: hand this to next_page'),
  note: z.string().optional().describe('What was left out, and how to get it'),
});

/** The tools, with what the limits of this server are. */
export function queryTools(limits: Limits): readonly LocalTool<Lease>[] {
  const { maxRows, maxBytes, statementTimeout, cursorTimeout } = limits;
  const limit = z.int().min(1).max(maxRows).default(Math.min(100, maxRows)).describe('Most rows in this answer');
  return [
    localTool({
      name: 'query',
      title: 'Query',
      description:
        `Runs one SELECT (or WITH … SELECT, VALUES, TABLE) in a read-only transaction and answers its first rows, at most ${maxBytes} bytes of them within ${statementTimeout} ms. ` +
        'Use $1, $2 … and `params` for values. For more rows hand the `cursor` of the answer to next_page.',
      input: z.strictObject({ sql: sqlText('One SELECT statement'), params, limit }),
      output,
      annotations: reads,
      run: async (args, { state, signal }: Context) => {
        const database = await state.database();
        return page(await database.query(args.sql, asText(args.params), args.limit, signal), limits);
      },
    }),
    localTool({
      name: 'next_page',
      title: 'Next page',
      description: `Answers the next rows of a query. Each cursor is good once and for ${Math.round(cursorTimeout / 1000)} s; all pages show the data as of the first.`,
      input: z.strictObject({ cursor: z.string().min(1).max(100).describe('`cursor` of the page before'), limit }),
      output,
      annotations: { ...reads, idempotentHint: false },
      run: async (args, { state, signal }: Context) => {
        const database = await state.database();
        return page(await database.nextPage(args.cursor, args.limit, signal), limits);
      },
    }),
    localTool({
      name: 'explain',
      title: 'Explain',
      description:
        'Shows how the server would carry out a statement: steps, estimated rows and costs. With `analyze` it runs the statement in a read-only transaction and shows real times and rows; then only a SELECT works.',
      input: z.strictObject({
        sql: sqlText('One SELECT, INSERT, UPDATE, DELETE or MERGE'),
        params,
        analyze: z.boolean().default(false).describe('Run it and measure'),
      }),
      output: z.strictObject({ plan: z.string() }),
      annotations: reads,
      run: async (args, { state, signal }: Context) => {
        const database = await state.database();
        const plan = await database.explain(args.sql, asText(args.params), args.analyze, signal);
        const cut = `${plan.slice(0, maxBytes)}\n… [cut: ${maxBytes} of ${plan.length} characters]`;
        return answer({ plan: plan.length > maxBytes ? cut : plan });
      },
    }),
  ];
}

function page({ columns, rows, cursor, more, cutValues }: QueryPage, limits: Limits): ToolResult {
  const notes = [
    more && cursor === undefined
      ? 'There are more rows, but none can be kept open: ask again with LIMIT and OFFSET.'
      : '',
    cutNote(cutValues, limits),
  ].filter((note) => note !== '');
  return answer({
    columns,
    rows,
    rowCount: rows.length,
    ...(cursor === undefined ? {} : { cursor }),
    ...(notes.length === 0 ? {} : { note: notes.join(' ') }),
  });
}

/** A sentence about values that were cut; empty when there were none. */
export function cutNote(cutValues: number, { maxCellBytes }: Limits): string {
  if (cutValues === 0) return '';
  return `${cutValues} values were cut to ${maxCellBytes} bytes: read the rest in parts with substr(…).`;
}
