// The tool that changes something, where the options allow it. How its bounds are kept lives in `execute.ts` and `bounds.ts`.
import { localTool, z } from 'plugboard';
import type { LocalTool } from 'plugboard';
import type { Bounds } from './bounds.ts';
import type { Limits } from './options.ts';
import { cutNote } from './query-tools.ts';
import type { Lease } from './server.ts';
import { answer, asText, columns, params, rows, sqlText } from './tool-parts.ts';
import type { Context } from './tool-parts.ts';

const gentle = ['insert', 'create'];

/** The tool, as these bounds make it. */
export function executeTool(bounds: Bounds, limits: Limits): LocalTool<Lease> {
  const { schemas, kinds } = bounds;
  return localTool({
    name: 'execute',
    title: 'Execute',
    description:
      `Runs one statement that changes something and commits it. Allowed: ${kinds.join(', ')}; only in: ${schemas.join(', ')}, which is also where names without a schema are looked up. ` +
      'Whatever goes beyond that, by a trigger or a foreign key too, is undone as a whole. Use $1, $2 … and `params` for values; RETURNING shows what was done.',
    input: z.strictObject({ sql: sqlText('One statement'), params }),
    output: z.strictObject({
      command: z.string().describe('What the server did, e.g. INSERT 0 1'),
      columns: columns.optional(),
      rows: rows.optional(),
      note: z.string().optional().describe('What was left out'),
    }),
    annotations: {
      readOnlyHint: false,
      destructiveHint: !kinds.every((kind) => gentle.includes(kind)),
      idempotentHint: false,
      openWorldHint: false,
    },
    run: async (args, { state, signal }: Context) => {
      const database = await state.database();
      const done = await database.execute(args.sql, asText(args.params), bounds, signal);
      const left = done.returnedRows - done.rows.length;
      const notes = [
        left > 0 ? `${left} more rows were returned; they were changed as well, and \`query\` shows them.` : '',
        cutNote(done.cutValues, limits),
      ].filter((note) => note !== '');
      return answer({
        command: done.command,
        ...(done.columns.length === 0 ? {} : { columns: done.columns, rows: done.rows }),
        ...(notes.length === 0 ? {} : { note: notes.join(' ') }),
      });
    },
  });
}
