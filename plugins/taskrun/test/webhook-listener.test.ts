// The listener of the admission webhook: TLS, limits, certificates that change; then behind an API server and kubectl.
import { connect } from 'node:net';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import test from 'ava';
import type { Log } from 'plugboard';
import { kubectl, startKubernetes, testCertificate, until } from '@plugboard/test-kit';
import type { KubeObject } from '@plugboard/test-kit';
import type { WebhookInput } from '../src/webhook/options.ts';
import { startWebhook } from '../src/webhook/webhook.ts';
import type { Task } from '../src/task.ts';
import { manifest, taskOf } from './kubernetes-task.ts';
import { lookupOf, podOf, quiet, reviewOf } from './reviews.ts';
import type { Pod } from './reviews.ts';

const nine = taskOf(manifest('nine'));
const label = { 'orchestrator.io/task': 'nine' };
const fromSecret = { secretKeyRef: { name: 'nine-plugboard-token', key: 'token' } };

/** Files of a certificate in a folder of their own, replaced at once as a Secret's are. */
async function certificateFiles(first = testCertificate()) {
  const folder = await mkdtemp(path.join(tmpdir(), 'plugboard-webhook-'));
  const files = { certFile: path.join(folder, 'tls.crt'), keyFile: path.join(folder, 'tls.key') };
  const put = async (file: string, text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  const write = async ({ cert, key }: { readonly cert: string; readonly key: string }) => {
    await put(files.certFile, cert);
    await put(files.keyFile, key);
  };
  await write(first);
  return { ...files, folder, write, put, remove: () => rm(folder, { recursive: true, force: true }) };
}

interface Sent {
  readonly port: number;
  readonly ca: string;
  readonly method?: string;
  readonly path?: string;
  readonly type?: string;
  readonly body?: string;
  readonly client?: { readonly cert: string; readonly key: string };
}

/** One request over TLS, on a connection of its own. Rejects when the server's certificate is not signed by `ca`. */
function send({
  port,
  ca,
  method = 'POST',
  path: target = '/mutate',
  type = 'application/json',
  body = '',
  client,
}: Sent) {
  return new Promise<{ readonly status: number; readonly text: string; readonly serial: string }>((resolve, reject) => {
    const headers = { 'content-type': type };
    const outgoing = request(
      { host: '127.0.0.1', port, method, path: target, headers, ca, agent: false, ...client },
      (response) => {
        const serial = (response.socket as TLSSocket).getPeerCertificate().serialNumber;
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, serial }));
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

test('the listener: TLS, one path, limits, and an end', async (t) => {
  const certificate = testCertificate();
  const files = await certificateFiles(certificate);
  t.teardown(files.remove);
  const ensured: string[] = [];
  const lookup = { ...lookupOf([nine]), ensure: async (task: Task) => void ensured.push(task.id) };
  const { certFile, keyFile } = files;
  const input: WebhookInput = {
    host: '127.0.0.1',
    port: 0,
    certFile,
    keyFile,
    maxBodyBytes: 8192,
  };
  const webhook = await startWebhook(input, lookup, quiet);
  t.teardown(() => webhook.stop());
  const to = { port: webhook.port, ca: certificate.cert };
  const body = JSON.stringify(reviewOf(podOf(label)));

  const { status, text } = await send({ ...to, body });
  t.is(status, 200);
  t.like(JSON.parse(text), { kind: 'AdmissionReview', response: { uid: 'review-1', allowed: true } });
  t.deepEqual(ensured, ['agents/nine']);
  await send({ ...to, body: JSON.stringify(reviewOf(podOf(label), { dryRun: true })) });
  await send({ ...to, body: JSON.stringify(reviewOf(podOf({ 'orchestrator.io/task': 'ten' }))) });
  t.is(ensured.length, 1, 'neither for a dry run nor for a refusal');

  const codes = await Promise.all([
    send({ ...to, path: '/other', body }),
    send({ ...to, method: 'GET' }),
    send({ ...to, method: 'GET', path: '/healthz' }),
    send({ ...to, type: 'text/plain', body }),
    send({ ...to, body: '{' }),
    send({ ...to, body: '{}' }),
    send({ ...to, body: JSON.stringify(reviewOf({ ...podOf(label), padding: 'x'.repeat(3_000_000) })) }),
  ]);
  t.deepEqual(
    codes.map((each) => each.status),
    [404, 405, 200, 415, 400, 400, 413],
  );
  await t.throwsAsync(send({ ...to, ca: testCertificate().cert, body }), { message: /self.signed|verify/i });
  const hasty = await startWebhook({ ...input, requestTimeout: 300 }, lookup, quiet);
  t.teardown(() => hasty.stop());
  t.true(await closedByServer(hasty.port), 'who sends nothing is cut off');
  await webhook.stop();
  await t.throwsAsync(send({ ...to, body }), { code: 'ECONNREFUSED' });
});

/** Connects and sends nothing; true when the other side ends it. */
function closedByServer(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const timer = setTimeout(() => socket.destroy(), 30_000);
    socket.on('end', () => resolve(true)).on('error', () => resolve(true));
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(false);
    });
    socket.resume();
  });
}

test('a new certificate is taken up while it runs; one that does not fit its key is not', async (t) => {
  const [first, second, third] = [testCertificate(), testCertificate(), testCertificate()];
  const files = await certificateFiles(first);
  t.teardown(files.remove);
  const said: string[] = [];
  const log: Log = { ...quiet, warn: (message) => void said.push(message) };
  const { certFile, keyFile } = files;
  const input: WebhookInput = { host: '127.0.0.1', port: 0, certFile, keyFile, reloadInterval: 20 };
  const webhook = await startWebhook(input, lookupOf([nine]), log);
  t.teardown(() => webhook.stop());
  const ask = (ca: string) => send({ port: webhook.port, ca, method: 'GET', path: '/healthz' });
  const before = await ask(first.cert);
  await files.write(second);
  const after = await until('the new certificate', () => ask(second.cert).catch(() => undefined));
  t.not(after.serial, before.serial);
  said.length = 0;
  await files.put(certFile, third.cert);
  await until('the warning', () => said.length > 0);
  t.is((await ask(second.cert)).status, 200, 'the old pair stays in use');
  await files.put(files.keyFile, third.key);
  t.is((await until('the third', () => ask(third.cert).catch(() => undefined))).status, 200);
});

test('nobody is served beyond loopback without TLS, nor without the client certificate that was asked for', async (t) => {
  const lookup = lookupOf([nine]);
  const optionsError = { code: 'PLUGIN_OPTIONS' };
  await t.throwsAsync(startWebhook({ host: '0.0.0.0', port: 0 }, lookup, quiet), optionsError);
  await t.throwsAsync(startWebhook({ port: 0 }, lookup, quiet), optionsError, 'the default is beyond loopback');
  await t.throwsAsync(startWebhook({ host: '127.0.0.1', port: 0, certFile: '/nowhere' }, lookup, quiet), optionsError);
  const plain = await startWebhook({ host: '127.0.0.1', port: 0 }, lookup, quiet);
  t.is((await fetch(`http://127.0.0.1:${plain.port}/healthz`)).status, 200);
  await plain.stop();

  const [server, client] = [testCertificate(), testCertificate()];
  const files = await certificateFiles(server);
  t.teardown(files.remove);
  const clientCaFile = path.join(files.folder, 'client.crt');
  await writeFile(clientCaFile, client.cert);
  const { certFile, keyFile } = files;
  const missing = startWebhook({ host: '127.0.0.1', port: 0, certFile, keyFile: '/nowhere' }, lookup, quiet);
  await t.throwsAsync(missing, optionsError);
  await files.put(keyFile, client.key);
  await t.throwsAsync(startWebhook({ host: '127.0.0.1', port: 0, certFile, keyFile }, lookup, quiet), optionsError);
  await files.write(server);
  const webhook = await startWebhook({ host: '127.0.0.1', port: 0, certFile, keyFile, clientCaFile }, lookup, quiet);
  t.teardown(() => webhook.stop());
  const ask = { port: webhook.port, ca: server.cert, method: 'GET', path: '/healthz' };
  t.is((await send({ ...ask, client })).status, 200);
  await t.throwsAsync(send(ask));
  await t.throwsAsync(send({ ...ask, client: testCertificate() }));
});

test('behind an API server: kubectl makes a pod and finds it changed; another namespace is refused', async (t) => {
  const cluster = await startKubernetes();
  t.teardown(() => cluster.stop());
  const certificate = testCertificate(['plugboard-webhook.tools.svc']);
  const files = await certificateFiles(certificate);
  t.teardown(files.remove);
  const ensured: string[] = [];
  const lookup = { ...lookupOf([nine]), ensure: async (task: Task) => void ensured.push(task.id) };
  const { certFile, keyFile } = files;
  const webhook = await startWebhook({ host: '127.0.0.1', port: 0, certFile, keyFile }, lookup, quiet);
  t.teardown(() => webhook.stop());
  cluster.address('tools/plugboard-webhook', `https://127.0.0.1:${webhook.port}`);
  for (const name of ['agents', 'elsewhere'])
    await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await cluster.create({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'plugboard' },
    webhooks: [
      {
        name: 'task.plugboard.orchestrator.io',
        admissionReviewVersions: ['v1'],
        sideEffects: 'NoneOnDryRun',
        failurePolicy: 'Fail',
        clientConfig: {
          service: { name: 'plugboard-webhook', namespace: 'tools', path: '/mutate', port: 443 },
          caBundle: Buffer.from(certificate.cert).toString('base64'),
        },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }],
        objectSelector: { matchExpressions: [{ key: 'orchestrator.io/task', operator: 'Exists' }] },
      },
    ],
  });
  const pod = { apiVersion: 'v1', kind: 'Pod', ...podOf(label) };
  const run = (namespace: string, name: string, ...flags: string[]) => {
    const input = JSON.stringify({ ...pod, metadata: { ...pod.metadata, name } });
    return kubectl(cluster.kubeconfig, ['create', '--namespace', namespace, '-o', 'json', ...flags, '-f', '-'], {
      input,
    });
  };
  const tried = await run('agents', 'tried', '--dry-run=server');
  t.is(tried.code, 0, tried.stderr);
  t.deepEqual(ensured, []);
  const made = await run('agents', 'made');
  t.is(made.code, 0, made.stderr);
  const { spec } = JSON.parse(made.stdout) as KubeObject & Pod;
  t.deepEqual(spec.containers[0]?.env?.[1], { name: 'PLUGBOARD_TOKEN', valueFrom: fromSecret });
  t.deepEqual(ensured, ['agents/nine']);
  const refused = await run('elsewhere', 'refused');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /no task "nine" runs in namespace "elsewhere"/);
});
