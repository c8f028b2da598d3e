// The plugin: what it is called, what it needs, its options. What it does begins in `start.ts`.
import { definePlugin } from 'plugboard';
import { options } from './options.ts';

export default definePlugin({
  id: 'taskrun',
  apiVersion: 1,
  title: 'Tasks',
  description: 'Tasks of agents: each becomes a grant with exactly the tools that it names, changeable while it runs',
  needs: ['store'],
  wants: ['management', 'http', 'upstream'],
  provides: ['authentication', 'tasks'],
  // Two instances would write the same records.
  exclusive: true,
  options,
  apply: async (api, chosen) => {
    const { start } = await import('./start.ts');
    return await start(api, chosen);
  },
});
