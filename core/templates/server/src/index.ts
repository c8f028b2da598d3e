// The plugin: its options, the server that it offers, and a hook. What the tools do lives in `tools.ts`.
import { createRequire } from 'node:module';
import { definePlugin, localServer, z } from 'plugboard';
import { tools } from './tools.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const options = z.strictObject({
  greeting: z.string().min(1).max(100).default('Hello').describe('What is said before the name'),
  slow: z.int().min(0).default(1000).describe('Calls that take so long or longer are logged, in ms'),
});

export default definePlugin({
  id: 'template-id',
  apiVersion: 1,
  title: 'Template title',
  description: 'Says hello',
  options,
  apply({ hooks, servers, log }, { greeting, slow }) {
    servers.register(
      localServer({
        name: 'template-id',
        version,
        isolation: 'shared',
        tools,
        open: () => ({ greeting }),
      }),
    );
    hooks.on('onCallSettled', ({ call, outcome, duration }) => {
      if (call.server === 'template-id' && duration >= slow)
        log.warn('slow call', { tool: call.tool, outcome, duration });
    });
  },
});
