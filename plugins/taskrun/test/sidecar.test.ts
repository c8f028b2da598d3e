// The proxy beside an agent, started with the configuration that is rendered for it.
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { startProxy } from '@plugboard/test-kit';
import { kubernetesOptions, podInjection, renderKubernetes } from '../src/render/kubernetes.ts';
import { toolsOf } from './agent.ts';
import { inputOf, manifest, taskOf } from './kubernetes-task.ts';

const granted = ['memory_create_entities', 'memory_read_graph', 'task_request_tools'];

test('sidecar: the proxy beside an agent gives it what the task names, for the token of the Secret', async (t) => {
  t.timeout(120_000);
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-sidecar-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const token = 'pbt_the-token-of-the-Secret-0123456789';
  const objects = renderKubernetes(inputOf(taskOf(manifest('nine'))), { layout: 'sidecar', image: 'node:22', token });
  const { stringData } = objects.find(({ metadata }) => metadata.name === 'nine-plugboard-proxy') as unknown as {
    stringData: Record<string, string>;
  };
  // The folders of the container become folders here; all else stays as it is.
  const text = (stringData['plugboard.yaml'] ?? '')
    .replaceAll('/var/lib/plugboard', path.join(folder, 'state'))
    .replaceAll('/etc/plugboard', folder);
  const files = { 'tasks/task.yaml': stringData['task.yaml'] ?? '' };
  const proxy = await startProxy(text, { folder, files, env: { PLUGBOARD_TOKEN: token } });
  t.teardown(() => proxy.close());
  await proxy.ready();
  t.deepEqual(await toolsOf(proxy.url, token), granted);
  await t.throwsAsync(toolsOf(proxy.url, 'pbt_another-token-0123456789'), { message: /401|credential|Unauthorized/i });
  await t.throwsAsync(toolsOf(proxy.url, ''), { message: /401|credential|Unauthorized/i });
  const [, container] = podInjection(
    inputOf(taskOf(manifest('nine'))),
    kubernetesOptions.parse({ layout: 'sidecar', image: 'node:22' }),
  ).initContainers;
  const [command = '', ...args] = container?.readinessProbe?.exec?.command ?? [];
  const probe = (port: string) =>
    spawnSync(
      command,
      args.map((each) => each.replace('8807', port)),
      { stdio: 'ignore' },
    ).status;
  t.is(probe(new URL(proxy.url).port), 0, 'the probe of the container');
  await proxy.stop();
  t.is(probe(new URL(proxy.url).port), 1);
});
