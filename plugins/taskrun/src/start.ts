// Puts the parts together: hooks, the server of tasks, sources, routes, the agent's hook, the webhook. Each is a file of its own.
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PluginApi, Stop } from 'plugboard';
import { tokenPrefix } from './engine/tokens.ts';
import { hookPath, preToolUse } from './hook/pre-tool-use.ts';
import type { KubernetesOptions } from './kubernetes/source.ts';
import type { Options } from './options.ts';
import { abandonGrants, makeParts } from './parts.ts';
import type { Parts } from './parts.ts';
import { changeRoutes } from './routes/changes.ts';
import { Desk } from './routes/desk.ts';
import { renderRoute } from './routes/render.ts';
import { taskRoutes } from './routes/tasks.ts';
import { taskServer } from './server/task-server.ts';
import { ApiSource } from './sources/api.ts';
import { taps } from './taps.ts';
import type { Task } from './task.ts';

/** Also in package.json; a test compares them. */
export const version = '0.1.0';

/** ms that the start waits for sources; what they find later follows. */
const patience = 3000;

/** The service `tasks`: for plugins that do something about tasks. */
export interface TaskService {
  all(): readonly Task[];
  get(id: string): Task | undefined;
}

export async function start(api: PluginApi, options: Options): Promise<Stop> {
  const parts = await makeParts(api, options);
  const { tasks, requests, toolNames } = parts;
  const untap = taps(api, parts);
  await tasks.restore();
  const desk = {
    ofGrant: (grant: string) => tasks.ofGrant(grant),
    toolNames,
    request: requests.request.bind(requests),
  };
  api.servers.register(taskServer(options.server, version, desk));
  provide(api, parts);
  const close = await open(api, parts);
  await startSources(api, parts);
  const { grace, ttl } = options.token;
  const sweep = setInterval(() => tasks.closeExpired(), Math.min(5000, Math.max(100, grace / 4, ttl / 100)));
  sweep.unref();
  return async () => {
    clearInterval(sweep);
    untap();
    await close();
    await Promise.all([...parts.sources.values()].map((source) => source.stop()));
    await parts.intake.settled();
    await tasks.stop();
    abandonGrants(api.board, api.log);
  };
}

function provide({ services }: PluginApi, { tasks }: Parts): void {
  // Says that callers need a credential; the hook does the work.
  services.provide('authentication', { prefix: tokenPrefix });
  services.provide('tasks', {
    all: () => tasks.all().map((entry) => entry.view()),
    get: (id) => tasks.get(id)?.view(),
  } satisfies TaskService);
}

/** Opens what can be asked from outside: routes, the agent's hook, the webhook. Returns the way to close it again. */
async function open(api: PluginApi, parts: Parts): Promise<() => Promise<void>> {
  const { board, log, directory } = api;
  const { options, sources, http, management, authenticate, proxy, refused, inputWithoutTools } = parts;
  const local = new ApiSource();
  sources.set('api', local);
  const desk = new Desk({ ...parts, board, api: local, sources: () => new Set(sources.keys()) });
  const undo: (() => void)[] = [];
  if (management !== undefined)
    undo.push(management.add([...taskRoutes(desk), ...changeRoutes(desk), renderRoute(desk, options.rendering)]));
  if (http !== undefined) undo.push(http.mount(hookPath, preToolUse({ board, log, authenticate, proxy, refused })));
  let stopPods: (() => Promise<void>) | undefined;
  if (options.webhook !== undefined) {
    const { startPods } = await import('./pods.ts');
    stopPods = await startPods({
      ...parts,
      webhook: options.webhook,
      rendering: options.rendering,
      cluster: clusterOptions(options, directory),
      podInput: (entry) => inputWithoutTools(entry, proxy),
      directory,
      log,
    });
  }
  return async () => {
    for (const each of undo) each();
    await stopPods?.();
  };
}

/** Starts the sources. Resolves when everything that they have has been put, at the latest after a while. */
async function startSources({ directory, log }: PluginApi, { options, sources, tasks, intake }: Parts): Promise<void> {
  if (options.source !== undefined) {
    const { FolderSource } = await import('./sources/folder.ts');
    const known = () =>
      tasks.all().flatMap(({ id, record }) => (record.source === 'folder' ? [{ id, origin: record.origin }] : []));
    sources.set('folder', new FolderSource({ folder: path.resolve(directory, options.source), log, known }));
  }
  if (options.kubernetes !== undefined) {
    const { kubernetesSource } = await import('./kubernetes/source.ts');
    sources.set('kubernetes', kubernetesSource(clusterOptions(options, directory), log));
  }
  for (const name of new Set(tasks.all().map(({ record }) => record.source)))
    if (!sources.has(name))
      log.warn(`tasks of source ${name}, which is not configured, stay as they are; delete them through the API`);
  const started = [...sources.values()].map((source) =>
    source.start(intake).catch((error: unknown) => log.error(`source ${source.name} cannot start`, { error })),
  );
  const waiting = new AbortController();
  await Promise.race([Promise.all(started), sleep(patience, undefined, { signal: waiting.signal }).catch(() => {})]);
  waiting.abort();
}

/** Which API server, and as whom. */
function clusterOptions({ kubernetes }: Options, directory: string): KubernetesOptions {
  if (kubernetes === undefined || kubernetes === true) return {};
  const { kubeconfig, ...rest } = kubernetes;
  return { ...rest, ...(kubeconfig !== undefined && { kubeconfig: path.resolve(directory, kubeconfig) }) };
}
