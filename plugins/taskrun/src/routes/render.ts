// The route that renders a task for its agent's side. What the files look like is the business of `render/`.
import { Problem, route, z } from 'plugboard';
import type { Route } from 'plugboard';
import type { KubernetesOptions } from '../render/kubernetes-options.ts';
import type { Desk } from './desk.ts';
import { taskParams } from './schemas.ts';

const files = z.strictObject({
  files: z.record(z.string(), z.string()).describe('By name: content'),
  flags: z.array(z.string()).optional().describe('Arguments to start the agent with'),
  warnings: z.array(z.string()).optional(),
});

/** `options`: how tasks are rendered for Kubernetes when a request says nothing else. */
export function renderRoute(desk: Desk, options: KubernetesOptions): Route {
  return route({
    method: 'GET',
    path: '/tasks/:id/render',
    role: 'viewer',
    operation: 'renderTask',
    summary: 'Renders what the agent of a task needs, for Claude Code or for Kubernetes',
    description: 'The token is not in it: create one with POST /tasks/{id}/token and hand it over as a secret.',
    params: taskParams,
    query: z.strictObject({
      for: z.enum(['claude', 'kubernetes']).default('claude'),
      layout: z
        .enum(['service', 'sidecar'])
        .optional()
        .describe('kubernetes: one proxy for all agents, or one in each pod'),
      container: z
        .string()
        .min(1)
        .max(63)
        .optional()
        .describe('kubernetes: the container of the agent that the pod patch is for'),
    }),
    result: files,
    run: async ({ params, query }) => {
      const input = await desk.renderInput(desk.current(desk.tasks.find(params.id)));
      if (query.for === 'claude') {
        if (query.layout !== undefined || query.container !== undefined)
          throw new Problem(422, 'render-options', 'layout and container belong to for=kubernetes');
        const { renderClaude } = await import('../render/claude.ts');
        return { body: renderClaude(input) };
      }
      const { kubernetesWarnings, renderKubernetesFiles } = await import('../render/kubernetes.ts');
      const request = { ...options, ...(query.layout !== undefined && { layout: query.layout }) };
      try {
        const rendered = renderKubernetesFiles(input, request, query.container);
        const warnings = kubernetesWarnings(input, request);
        return { body: { files: rendered, ...(warnings.length > 0 && { warnings }) } };
      } catch (error) {
        if (error instanceof Error && 'code' in error) throw new Problem(422, 'render-impossible', error.message);
        throw error;
      }
    },
  });
}
