// docs/kubernetes.md and the README of the chart, taken at their word: every command is typed as it stands there, against an API server.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { parse } from 'yaml';
import { commandLine, startKubernetes, startProxy } from '@plugboard/test-kit';
import { certManagerCrds } from './cert-manager.ts';
import { chart, helmProgram } from './helm.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const withHelm = helmProgram === undefined ? test.skip : test;

function blocksOf(text: string): { language: string; file: string; text: string }[] {
  return [...text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)].map(([, language = '', file = '', block = '']) => ({
    language,
    file,
    text: block,
  }));
}

/** Types lines into a shell in which the programs of the page are at hand. */
function type(script: string, cwd: string, env: Record<string, string>) {
  const { command, args } = commandLine();
  const quoted = [command, ...args].map((each) => `'${each}'`).join(' ');
  const prelude = `set -e -o pipefail\nplugboard() { ${quoted} "$@"; }\nhelm() { '${helmProgram ?? 'helm'}' "$@"; }\n`;
  return new Promise<{ code: number; output: string }>((resolve) => {
    const options = { cwd, env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env } };
    execFile('bash', ['-c', prelude + script], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), output: stdout + stderr });
    });
  });
}

withHelm('every command of the page works as it stands there, in order', async (t) => {
  t.timeout(180_000);
  const cluster = await startKubernetes({ crds: certManagerCrds });
  t.teardown(() => cluster.stop());
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-docs-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, 'kubeconfig'), cluster.kubeconfig, { mode: 0o600 });
  await symlink(path.join(root, 'plugins'), path.join(folder, 'plugins'));
  // The proxy that the commands of the section without the webhook speak to.
  const plugins = {
    http: { port: 0 },
    memory: {},
    'store-lowdb': { path: './store' },
    admin: {},
    taskrun: { url: 'http://plugboard.plugboard.svc:8807/mcp', rendering: { image: 'docker.io/library/node:22' } },
  };
  const proxy = await startProxy({ plugins }, { folder });
  t.teardown(() => proxy.close());
  await proxy.ready();

  const env = { KUBECONFIG: path.join(folder, 'kubeconfig') };
  const said: string[] = [];
  for (const page of ['docs/kubernetes.md', 'plugins/taskrun/chart/README.md']) {
    for (const { language, file, text } of blocksOf(await readFile(path.join(root, page), 'utf8'))) {
      if (file !== '') await writeFile(path.join(folder, file), text);
      if (language !== 'sh') continue;
      const { code, output } = await type(text, folder, env);
      t.is(code, 0, `${page}: ${text}${output}`);
      said.push(output);
    }
  }
  const all = said.join('\n');
  t.regex(all, /STATUS: deployed/);
  t.regex(all, /fix-login +7 +billing +1/, 'kubectl get taskruns');
  const patched = parse(await readFile(path.join(folder, 'patched.yml'), 'utf8')) as {
    spec: { template: { spec: { containers: { name: string; env: object[] }[] } } };
  };
  t.is(patched.spec.template.spec.containers[0]?.env.length, 3);
  const secret = await type(
    'kubectl get secret fix-login-plugboard-token -n agents -o jsonpath={.data.token} | base64 -d',
    folder,
    env,
  );
  t.regex(secret.output, /^pbt_[\w-]+$/, 'the token, without a line break');
  t.is(await toolCount(proxy.url, secret.output), 3);
  const sidecar = await readFile(path.join(folder, 'rendered-sidecar', 'pod-patch.yaml'), 'utf8');
  t.regex(sidecar, /restartPolicy: Always/);
});

async function toolCount(url: string, token: string): Promise<number> {
  const { toolsOf } = await import('./agent.ts');
  return (await toolsOf(url, token)).length;
}

test('the README of the chart names every value', async (t) => {
  const values = parse(await readFile(path.join(chart, 'values.yaml'), 'utf8')) as Record<string, unknown>;
  const schema = JSON.parse(await readFile(path.join(chart, 'values.schema.json'), 'utf8')) as { properties: object };
  t.deepEqual(
    Object.keys(schema.properties)
      .filter((key) => key !== 'global')
      .sort(),
    Object.keys(values).sort(),
  );
  const readme = await readFile(path.join(chart, 'README.md'), 'utf8');
  for (const key of Object.keys(values)) t.true(readme.includes(`\`${key}\``), key);
});
