// The plugin: its options and its hooks. What is hidden cannot be called, so there is no second half to forget.
import { definePlugin, Denied, z } from 'plugboard';

const options = z.strictObject({
  hidden: z.array(z.string().min(1)).default([]).describe('Tools that nobody sees, as `server:tool`'),
  words: z
    .array(z.string().min(1))
    .default(['BEGIN PRIVATE KEY'])
    .describe('Calls whose arguments contain one of these are refused'),
});

export default definePlugin({
  id: 'template-id',
  apiVersion: 1,
  title: 'Template title',
  description: 'Hides tools, and refuses calls by what is in their arguments',
  options,
  apply({ hooks, log }, { hidden, words }) {
    const hiddenTools = new Set(hidden);
    hooks.on(
      'onListTools',
      (tools) => tools.filter(({ server, tool }) => !hiddenTools.has(`${server}:${tool}`)),
      'late',
    );
    hooks.on(
      'onCallTool',
      (call) => {
        const text = JSON.stringify(call.arguments);
        if (!words.some((word) => text.includes(JSON.stringify(word).slice(1, -1)))) return;
        log.info('call refused', { tool: call.name });
        // The agent reads this, and can do something else.
        throw new Denied('The arguments contain something that must not leave this machine.');
      },
      'guard',
    );
  },
});
