// The routes of the configuration: reading, checking and replacing it.
import { Problem, route, z } from 'plugboard';
import type { HostControl, Route } from 'plugboard';

/** Characters of a configuration. */
const maxText = 4 * 1024 * 1024;

const reportShape = z
  .strictObject({
    file: z
      .string()
      .optional()
      .describe('Absolute path; not there: the proxy was started without a file, and this cannot be changed'),
    text: z.string().describe('As written, known secrets hidden (`***`)'),
    version: z.string(),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Configuration' });

const textBody = z.strictObject({ text: z.string().max(maxText).describe('The whole file, YAML or JSON') });

export function configurationRoutes(host: HostControl): Route[] {
  return [
    route({
      method: 'GET',
      path: '/configuration',
      role: 'viewer',
      operation: 'showConfiguration',
      summary: 'Show the configuration file',
      result: reportShape,
      run: async () => {
        const body = await host.configuration();
        return { body, version: body.version };
      },
    }),
    route({
      method: 'POST',
      path: '/configuration/validate',
      role: 'admin',
      operation: 'validateConfiguration',
      summary: 'Check a configuration without applying it',
      body: textBody,
      maxBody: maxText * 2,
      result: z.strictObject({
        valid: z.boolean(),
        problems: z.array(z.string()).describe('One line each, with its place in the text'),
      }),
      run: async ({ body: { text } }) => {
        const problems = await host.check(text);
        return { body: { valid: problems.length === 0, problems } };
      },
    }),
    route({
      method: 'PUT',
      path: '/configuration',
      role: 'admin',
      operation: 'applyConfiguration',
      summary: 'Apply a configuration and write it to the file',
      description:
        'When it cannot be applied, what runs and what is written stay as they are. A client of the API that changes where the API itself is served may lose the connection before it has the answer; the same request with the same `Idempotency-Key` then tells what became of it.',
      body: textBody,
      maxBody: maxText * 2,
      result: reportShape,
      run: async ({ body: { text }, ifMatch }) => {
        const { file } = await host.configuration();
        if (file === undefined)
          throw new Problem(
            409,
            'configuration-fixed',
            'The proxy was started without a configuration file; restart it with one.',
          );
        const body = await host.apply(text, ifMatch);
        return { body, version: body.version };
      },
    }),
  ];
}
