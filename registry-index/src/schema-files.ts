// The JSON Schemas in `schema/`: made of the zod schemas, committed for editors and for readers in other languages.
// `node registry-index/dist/src/schema-files.js --write` writes them.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { packageFolder } from './entry-files.ts';
import { indexDocumentSchema } from './index-document.ts';
import { pluginEntrySchema } from './plugin-entry.ts';
import { serverEntrySchema } from './server-entry.ts';

const sources = {
  'index.schema.json': { schema: indexDocumentSchema, title: 'Index of Plugboard plugins and MCP servers' },
  'plugin.schema.json': { schema: pluginEntrySchema, title: 'Entry of a Plugboard plugin' },
  'server.schema.json': { schema: serverEntrySchema, title: 'Entry of an MCP server' },
};

/** The schemas by file name. Members that are not known are allowed in the index and refused in entries. */
export function renderSchemas(): Map<string, object> {
  return new Map(
    Object.entries(sources).map(([file, { schema, title }]) => {
      // Draft 7 is what editors and validators all read.
      const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-7', unrepresentable: 'any' });
      return [file, { $schema, title, ...rest }];
    }),
  );
}

/** Says which committed schemas differ from what the code makes. */
export async function schemaProblems(schemas: ReadonlyMap<string, object>): Promise<string[]> {
  const problems: string[] = [];
  for (const [file, schema] of schemas) {
    const text = await readFile(path.join(packageFolder(), 'schema', file), 'utf8').catch(() => 'undefined');
    const committed = text === 'undefined' ? undefined : (JSON.parse(text) as unknown);
    if (!isDeepStrictEqual(committed, JSON.parse(JSON.stringify(schema))))
      problems.push(
        `schema/${file}: differs from the code; write it: node registry-index/dist/src/schema-files.js --write`,
      );
  }
  return problems;
}

if (process.argv[1] !== undefined && import.meta.filename === path.resolve(process.argv[1])) {
  const folder = path.join(packageFolder(), 'schema');
  await mkdir(folder, { recursive: true });
  if (process.argv.includes('--write'))
    for (const [file, schema] of renderSchemas())
      await writeFile(path.join(folder, file), `${JSON.stringify(schema, undefined, 2)}\n`);
  for (const problem of await schemaProblems(renderSchemas())) console.error(problem);
}
