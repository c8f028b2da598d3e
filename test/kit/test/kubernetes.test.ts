// The test API server with a kind of its own: what real kubectl and plain requests get from it. Tasks are not its business.
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import {
  kubectl,
  kubectlMinor,
  startKubernetes,
  structuralProblems,
  testCertificate,
  until,
} from '@plugboard/test-kit';
import type { Kubernetes, KubernetesOptions } from '@plugboard/test-kit';
import test from 'ava';
import type { ExecutionContext } from 'ava';

const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.io' },
  spec: {
    group: 'example.io',
    scope: 'Namespaced',
    names: { kind: 'Widget', plural: 'widgets', singular: 'widget', shortNames: ['wd'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                required: ['size'],
                properties: {
                  size: {
                    type: 'integer',
                    minimum: 1,
                    'x-kubernetes-validations': [{ rule: 'self >= oldSelf', message: 'widgets never shrink' }],
                  },
                  colour: { type: 'string', enum: ['red', 'blue'], default: 'red' },
                  parts: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: {
                      type: 'object',
                      required: ['name'],
                      properties: { name: { type: 'string' }, count: { type: 'integer', default: 1 } },
                    },
                  },
                },
              },
              status: { type: 'object', properties: { ready: { type: 'boolean' } } },
            },
          },
        },
      },
    ],
  },
};

const widget = (name: string, spec: object = { size: 1 }, metadata: object = {}) => ({
  apiVersion: 'example.io/v1',
  kind: 'Widget',
  metadata: { name, ...metadata },
  spec,
});

const minor = await kubectlMinor();

const widgetsPath = '/apis/example.io/v1/namespaces/default/widgets';

async function cluster(t: ExecutionContext, options: KubernetesOptions = { crds: [widgets] }) {
  const kubernetes = await startKubernetes(options);
  t.teardown(() => kubernetes.stop());
  const run = (args: readonly string[], input: object | string = '') =>
    kubectl(kubernetes.kubeconfig, args, { input: typeof input === 'string' ? input : JSON.stringify(input) });
  const ok = async (args: readonly string[], input: object | string = '') => {
    const { code, stdout, stderr } = await run(args, input);
    t.is(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  return { kubernetes, run, ok };
}

interface Answer {
  readonly status: number;
  readonly body: { [member: string]: unknown; metadata: Record<string, unknown>; message?: string };
  readonly warnings: string;
}

interface Asked {
  readonly body?: object;
  readonly type?: string;
  readonly token?: string | undefined;
}

function ask(
  kubernetes: Kubernetes,
  method: string,
  path: string,
  { body, type = 'application/json', token = kubernetes.token }: Asked = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const headers = { 'content-type': type, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
    const outgoing = request(
      kubernetes.url + path,
      { method, headers, ca: kubernetes.ca, agent: false },
      (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            body: JSON.parse(text),
            warnings: incoming.headers['warning'] ?? '',
          }),
        );
      },
    );
    outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** A watch; `events` grows while it is open. */
function watch(t: ExecutionContext, kubernetes: Kubernetes, path: string) {
  const events: { type: string; object: { metadata: Record<string, unknown>; code?: number } }[] = [];
  const state = { events, ended: false };
  const headers = { authorization: `Bearer ${kubernetes.token}` };
  const outgoing = request(kubernetes.url + path, { headers, ca: kubernetes.ca, agent: false }, (incoming) => {
    let rest = '';
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) events.push(JSON.parse(line));
    });
    incoming.on('close', () => (state.ended = true)).on('error', () => {});
  });
  outgoing.on('error', () => (state.ended = true)).end();
  t.teardown(() => outgoing.destroy());
  return state;
}

test.serial('kubectl creates, changes, shows and deletes', async (t) => {
  const { kubernetes, run, ok } = await cluster(t);
  t.regex(await ok(['version']), /Server Version: .*v1\.32\.0/);
  t.regex(await ok(['apply', '-f', '-'], widget('a')), /widget\.example\.io\/a created/);
  t.regex(await ok(['apply', '-f', '-'], widget('a')), /unchanged/);
  t.regex(await ok(['apply', '-f', '-'], widget('a', { size: 2 })), /configured/);
  t.regex(await ok(['get', 'wd']), /^NAME +SIZE\s*\na +2\s*$/);
  t.is(await ok(['get', 'widget', 'a', '-o', 'jsonpath={.spec.colour} {.metadata.generation}']), 'red 2');
  await ok(['label', 'wd', 'a', 'tier=front']);
  t.is(await ok(['get', 'wd', '-l', 'tier in (front,back)', '-o', 'name']), 'widget.example.io/a\n');
  t.is(await ok(['get', 'wd', '-l', 'tier!=front', '-o', 'name']), '');
  t.is(await ok(['get', 'wd', '--field-selector', 'metadata.name=a', '-A', '-o', 'name']), 'widget.example.io/a\n');
  await ok([
    'patch',
    'wd',
    'a',
    '--type=json',
    '-p',
    '[{"op":"test","path":"/spec/size","value":2},{"op":"replace","path":"/spec/size","value":3}]',
  ]);
  t.regex(
    (await run(['patch', 'wd', 'a', '--type=json', '-p', '[{"op":"test","path":"/spec/size","value":9}]'])).stderr,
    /is invalid/,
  );
  t.regex(
    await ok(['apply', '--server-side', '-f', '-'], widget('b', { size: 1, parts: [{ name: 'x' }] })),
    /serverside-applied/,
  );
  await ok(['apply', '--server-side', '-f', '-'], widget('b', { size: 1, parts: [{ name: 'y', count: 2 }] }));
  t.is(await ok(['get', 'wd', 'b', '-o', 'jsonpath={.spec.parts[*].name}/{.spec.parts[*].count}']), 'x y/1 2');

  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  };
  await ok(['apply', '-f', '-'], pod);
  await ok(['annotate', 'pod', 'p', 'note=text']);
  await ok(['apply', '-f', '-'], { ...pod, spec: { containers: [{ name: 'c', image: 'j' }] } });
  t.is(
    await ok(['get', 'pod', 'p', '-o', 'jsonpath={.spec.containers[*].image}/{.metadata.annotations.note}']),
    'j/text',
  );
  t.regex(await ok(['describe', 'wd', 'a']), /Size: +3[^]*Events: +<none>/);
  if (minor >= 27) t.regex(await ok(['explain', 'wd.spec.colour']), /red[^]*blue/i);
  t.regex(await ok(['api-resources', '--api-group=example.io']), /widgets +wd +example\.io\/v1 +true +Widget/);
  t.regex(await ok(['delete', 'wd', 'a', 'b']), /"a" deleted[^]*"b" deleted/);
  t.regex((await run(['get', 'wd', 'a'])).stderr, /\(NotFound\): widgets\.example\.io "a" not found/);
  t.true(
    kubernetes.audit.some(
      ({ method, url, user }) => method === 'DELETE' && url.endsWith('/widgets/a') && user === 'admin',
    ),
  );
});

test.serial('kubectl is told what is wrong', async (t) => {
  const { run, ok } = await cluster(t);
  const refusal = async (object: object, ...more: string[]) =>
    (await run(['apply', ...more, '-f', '-'], object)).stderr;
  const unknown =
    minor >= 27 ? /strict decoding error: unknown field "spec\.siez"/ : /Warning: unknown field "spec\.siez"/;
  t.regex(await refusal(widget('typo', { size: 1, siez: 2 })), unknown);
  t.regex(await refusal(widget('a', { size: 0 })), /spec\.size: Invalid value: must be >= 1/);
  t.regex(await refusal(widget('a', {})), /spec: Invalid value: must have required property 'size'/);
  t.regex(
    await refusal(widget('a', { size: 1, parts: [{ name: 'x' }, { name: 'x' }] })),
    /spec\.parts\[1\]: Duplicate value/,
  );
  t.regex(await refusal(widget('A')), /metadata\.name: Invalid value/);
  t.regex(await refusal(widget('a', { size: 1 }, { namespace: 'nowhere' })), /namespaces "nowhere" not found/);
  t.regex(
    await refusal({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p' },
      spec: { containers: [{ name: 'c', imgae: 'x' }] },
    }),
    /unknown field "spec\.containers\[0\]\.imgae"/,
  );
  t.regex(
    await refusal({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'c' }, data: { a: 1 } }),
    /data\.a: expected string/,
  );
  const versions = [
    { ...widgets.spec.versions[0], schema: { openAPIV3Schema: { type: 'object', properties: { spec: {} } } } },
  ];
  t.regex(
    await refusal({ ...widgets, spec: { ...widgets.spec, versions } }),
    /properties\[spec\]\.type: must not be empty/,
  );
  t.deepEqual(structuralProblems(widgets.spec.versions[0]?.schema.openAPIV3Schema), []);

  if (minor >= 27)
    t.regex(await ok(['apply', '--dry-run=server', '-f', '-'], widget('a')), /created \(server dry run\)/);
  t.regex((await run(['get', 'wd', 'a'])).stderr, /NotFound/);
  await ok(['apply', '-f', '-'], widget('a', { size: 2 }));
  t.regex(
    await refusal(widget('a', { size: 1 })),
    /The Widget "a" is invalid: spec\.size: Invalid value: widgets never shrink/,
  );
  if (minor >= 27) t.is(await refusal(widget('a', { size: 3 }), '--dry-run=server'), '');
  t.is(await ok(['get', 'wd', 'a', '-o', 'jsonpath={.spec.size}']), '2');
});

test.serial('a replace from an old version is a conflict', async (t) => {
  const { run, ok } = await cluster(t);
  await ok(['apply', '-f', '-'], widget('a'));
  const edited = JSON.parse(await ok(['get', 'wd', 'a', '-o', 'json'])) as { spec: object };
  await ok(['patch', 'wd', 'a', '--type=merge', '-p', '{"spec":{"colour":"blue"}}']);
  const { code, stderr } = await run(['replace', '-f', '-'], { ...edited, spec: { size: 9 } });
  t.is(code, 1);
  t.regex(stderr, /\(Conflict\).*the object has been modified/);
  t.is(await ok(['get', 'wd', 'a', '-o', 'jsonpath={.spec.size}{.spec.colour}']), '1blue');
});

test.serial('a finalizer holds a deletion until it is removed', async (t) => {
  const { kubernetes, ok } = await cluster(t);
  await ok(['apply', '-f', '-'], widget('a', { size: 1 }, { finalizers: ['example.io/hold'] }));
  const deletion = ok(['delete', 'wd', 'a', '--timeout=60s']);
  await until('the deletion was not noted', async () => {
    const { body } = await ask(kubernetes, 'GET', `${widgetsPath}/a`);
    return body.metadata['deletionTimestamp'] !== undefined;
  });
  const type = 'application/merge-patch+json';
  const more = await ask(kubernetes, 'PATCH', `${widgetsPath}/a`, {
    type,
    body: { metadata: { finalizers: ['example.io/hold', 'x/y'] } },
  });
  t.is(more.status, 422);
  t.regex(more.body.message ?? '', /no new finalizers/);
  t.is(
    (await ask(kubernetes, 'PATCH', `${widgetsPath}/a`, { type, body: { metadata: { finalizers: null } } })).status,
    200,
  );
  t.regex(await deletion, /deleted/);
  t.is((await ask(kubernetes, 'GET', `${widgetsPath}/a`)).status, 404);
});

test.serial('status and spec are written separately; generations count the spec', async (t) => {
  const { kubernetes } = await cluster(t);
  const created = await ask(kubernetes, 'POST', widgetsPath, { body: { ...widget('a'), status: { ready: true } } });
  t.is(created.status, 201);
  t.is(created.body['status'], undefined);
  const type = 'application/merge-patch+json';
  const body = { spec: { size: 5 }, status: { ready: true } };
  const status = await ask(kubernetes, 'PATCH', `${widgetsPath}/a/status`, { type, body });
  t.like(status.body, { spec: { size: 1 }, status: { ready: true }, metadata: { generation: 1 } });
  const spec = await ask(kubernetes, 'PATCH', `${widgetsPath}/a`, {
    type,
    body: { ...body, status: { ready: false } },
  });
  t.like(spec.body, { spec: { size: 5 }, status: { ready: true }, metadata: { generation: 2 } });
  const same = await ask(kubernetes, 'PATCH', `${widgetsPath}/a`, { type, body: { spec: { size: 5 } } });
  t.is(same.body.metadata['resourceVersion'], spec.body.metadata['resourceVersion']);
  const stale = { ...body, metadata: { resourceVersion: created.body.metadata['resourceVersion'] } };
  t.is((await ask(kubernetes, 'PATCH', `${widgetsPath}/a/status`, { type, body: stale })).status, 409);
  t.is(
    (await ask(kubernetes, 'PUT', `${widgetsPath}/a`, { body: widget('a', { size: 6 }) })).status,
    422,
    'no version given',
  );
  t.is((await ask(kubernetes, 'PUT', `${widgetsPath}/a`, { body: { ...spec.body, spec: { size: 6 } } })).status, 200);
  t.is((await ask(kubernetes, 'POST', widgetsPath, { body: widget('a') })).status, 409);
});

test.serial('unknown fields: refused, warned of or dropped, as the request says', async (t) => {
  const { kubernetes } = await cluster(t);
  const body = widget('a', { size: 1, siez: 2 });
  t.is((await ask(kubernetes, 'POST', `${widgetsPath}?fieldValidation=Strict`, { body })).status, 400);
  const warned = await ask(kubernetes, 'POST', widgetsPath, { body });
  t.is(warned.status, 201);
  t.regex(warned.warnings, /299 - "unknown field \\"spec\.siez\\""/);
  t.deepEqual(warned.body['spec'], { size: 1, colour: 'red' });
  t.is(
    (
      await ask(kubernetes, 'POST', `${widgetsPath}?fieldValidation=Ignore`, {
        body: { ...body, metadata: { name: 'b' } },
      })
    ).warnings,
    '',
  );
});

test.serial('watches tell changes, resume, and are told when they are too late', async (t) => {
  const { kubernetes } = await cluster(t);
  const { metadata } = await kubernetes.create(widget('a'));
  const from = metadata.resourceVersion ?? '';
  const live = watch(t, kubernetes, `${widgetsPath}?watch=true&resourceVersion=${from}&allowWatchBookmarks=true`);
  await kubernetes.create(widget('b', { size: 1 }, { labels: { tier: 'front' } }));
  const type = 'application/merge-patch+json';
  await ask(kubernetes, 'PATCH', `${widgetsPath}/b`, { type, body: { metadata: { labels: { tier: 'back' } } } });
  await ask(kubernetes, 'DELETE', `${widgetsPath}/b`);
  const changes = () => live.events.filter((event) => event.type !== 'BOOKMARK');
  await until('changes or bookmarks are missing', () => changes().length >= 3 && live.events.length > changes().length);
  const told = changes().map(({ type: what, object }) => `${what} ${String(object.metadata['name'])}`);
  t.deepEqual(told, ['ADDED b', 'MODIFIED b', 'DELETED b']);

  const front = watch(t, kubernetes, `${widgetsPath}?watch=true&resourceVersion=${from}&labelSelector=tier%3Dfront`);
  await until('nothing was told', () => front.events.length === 2);
  t.deepEqual(
    front.events.map((event) => event.type),
    ['ADDED', 'DELETED'],
    'what no longer fits is gone for this watch',
  );

  kubernetes.dropConnections();
  await until('the watches did not end', () => live.ended && front.ended);
  kubernetes.forget();
  const late = watch(t, kubernetes, `${widgetsPath}?watch=true&resourceVersion=${from}`);
  await until('it was not told', () => late.ended);
  t.like(late.events[0], { type: 'ERROR', object: { code: 410 } });
  kubernetes.goAway();
  await t.throwsAsync(ask(kubernetes, 'GET', widgetsPath));
  kubernetes.comeBack();
  t.is((await ask(kubernetes, 'GET', widgetsPath)).status, 200);
});

test.serial('tokens and roles decide who may do what', async (t) => {
  const { kubernetes, ok } = await cluster(t);
  t.is((await ask(kubernetes, 'GET', widgetsPath, { token: '' })).status, 401);
  t.is((await ask(kubernetes, 'GET', widgetsPath, { token: 'wrong' })).status, 401);
  const user = 'system:serviceaccount:default:reader';
  const token = kubernetes.grantToken(user);
  const refused = await ask(kubernetes, 'GET', widgetsPath, { token });
  t.is(refused.status, 403);
  t.regex(
    refused.body.message ?? '',
    /User "system:serviceaccount:default:reader" cannot list resource "widgets" in API group "example\.io" in the namespace "default"/,
  );
  const rbac = 'rbac.authorization.k8s.io';
  const items = [
    {
      apiVersion: `${rbac}/v1`,
      kind: 'Role',
      metadata: { name: 'r' },
      rules: [{ apiGroups: ['example.io'], resources: ['widgets'], verbs: ['get', 'list'] }],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'RoleBinding',
      metadata: { name: 'r' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: 'r' },
      subjects: [{ kind: 'ServiceAccount', name: 'reader', namespace: 'default' }],
    },
  ];
  await ok(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items });
  t.is((await ask(kubernetes, 'GET', widgetsPath, { token })).status, 200);
  t.is((await ask(kubernetes, 'GET', `${widgetsPath}?watch=true`, { token })).status, 403);
  t.is((await ask(kubernetes, 'POST', widgetsPath, { token, body: widget('a') })).status, 403);
  t.is(
    (await ask(kubernetes, 'GET', '/apis/example.io/v1/widgets', { token })).status,
    403,
    'a role ends with its namespace',
  );
  const { stderr } = await kubectl(kubernetes.kubeconfigFor('nobody'), ['get', 'wd']);
  t.regex(stderr, /\(Forbidden\)/);
  kubernetes.revokeToken(token);
  t.is((await ask(kubernetes, 'GET', widgetsPath, { token })).status, 401);
});

test.serial('mutating webhooks change new objects, or refuse them', async (t) => {
  const { kubernetes, ok, run } = await cluster(t);
  const certificate = testCertificate(['hook.default.svc']);
  const reviews: { request: { object: { metadata: { name: string } }; namespace: string; uid: string } }[] = [];
  const hook = createServer(certificate, (incoming, outgoing) => {
    let text = '';
    incoming.on('data', (chunk: Buffer) => (text += chunk.toString()));
    incoming.on('end', () => {
      const review = JSON.parse(text) as (typeof reviews)[number];
      reviews.push(review);
      const patch = [{ op: 'add', path: '/metadata/annotations', value: { seen: 'yes' } }];
      const { uid, object } = review.request;
      const verdict =
        object.metadata.name === 'bad'
          ? { allowed: false, status: { message: 'not this one' } }
          : { allowed: true, patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
      outgoing.end(
        JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, ...verdict } }),
      );
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    hook.closeAllConnections();
    hook.close();
  });
  kubernetes.address('default/hook', `https://127.0.0.1:${(hook.address() as AddressInfo).port}`);
  await ok(['apply', '-f', '-'], {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'hook' },
    webhooks: [
      {
        name: 'hook.example.io',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        clientConfig: {
          service: { name: 'hook', namespace: 'default', path: '/mutate' },
          caBundle: Buffer.from(certificate.cert).toString('base64'),
        },
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }],
        objectSelector: { matchLabels: { wanted: 'yes' } },
      },
    ],
  });
  const pod = (name: string, labels: object) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await ok(['create', '-f', '-'], pod('good', { wanted: 'yes' }));
  await ok(['create', '-f', '-'], pod('other', { wanted: 'no' }));
  t.is(await ok(['get', 'pods', '-o', 'jsonpath={.items[*].metadata.annotations.seen}']), 'yes');
  t.regex(
    (await run(['create', '-f', '-'], pod('bad', { wanted: 'yes' }))).stderr,
    /admission webhook "hook\.example\.io" denied the request: not this one/,
  );
  t.deepEqual(
    reviews.map(({ request: { object, namespace } }) => [object.metadata.name, namespace]),
    [
      ['good', 'default'],
      ['bad', 'default'],
    ],
  );
  hook.closeAllConnections();
  hook.close();
  t.regex(
    (await run(['create', '-f', '-'], pod('late', { wanted: 'yes' }))).stderr,
    /failed calling webhook "hook\.example\.io"/,
  );
});

test.serial('older and newer kubectl fall in with the version that the server claims', async (t) => {
  for (const version of ['1.27', '1.33']) {
    const { ok } = await cluster(t, { crds: [widgets], version });
    await ok(['apply', '-f', '-'], widget('a'));
    t.regex(await ok(['get', 'wd']), /^NAME +SIZE\s*\na +1\s*$/);
    await ok(['delete', 'wd', 'a']);
  }
});
