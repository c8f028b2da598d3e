// The OpenAPI document, the page made of it, and the README: each against what the API really does.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { memoryStores, until } from '@plugboard/test-kit';
import test from 'ava';
import { chromium } from 'playwright-core';
import { isObject, route, z } from 'plugboard';
import type { JsonObject, Management } from 'plugboard';
import { options } from '../src/options.ts';
import { openSession, send, serverOf, stand, viewer } from './harness.ts';
import type { Stand } from './harness.ts';

interface Operation extends JsonObject {
  readonly operationId: string;
  readonly parameters: JsonObject[];
  readonly responses: Record<string, { content?: Record<string, { schema?: JsonObject }> }>;
}

interface Document extends JsonObject {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: Record<string, Record<string, JsonObject>>;
}

const Node: z.ZodType = z.strictObject({
  name: z.string(),
  get children() {
    return z.array(Node);
  },
});

/** Routes with what is awkward to describe: recursion, the same name for two schemas, preprocessing, an optional body. */
function awkward(management: Management): void {
  const named = (shape: z.ZodType) => shape.meta({ id: 'Shared' });
  management.add([
    route({
      method: 'GET',
      path: '/trees/:id',
      role: 'viewer',
      operation: 'showTree',
      summary: 'A tree',
      params: z.strictObject({ id: z.string() }),
      result: Node,
      run: () => ({ body: { name: 'root', children: [{ name: 'leaf', children: [] }] } }),
    }),
    route({
      method: 'GET',
      path: '/trees',
      role: 'viewer',
      operation: 'listTrees',
      summary: 'Trees',
      result: z.strictObject({ items: z.array(Node), one: named(z.strictObject({ a: z.string() })) }),
      run: () => ({ body: { items: [], one: { a: 'x' } } }),
    }),
    route({
      method: 'POST',
      path: '/trees',
      role: 'operator',
      operation: 'plantTree',
      summary: 'Plant <b>a tree</b>',
      body: z.optional(
        z.strictObject({
          tree: Node,
          soon: z.preprocess((value) => value === 'yes', z.boolean()),
          other: named(z.strictObject({ b: z.number() })),
        }),
      ),
      result: Node,
      run: () => ({ status: 201, body: { name: 'new', children: [] } }),
    }),
  ]);
}

async function full(t: Parameters<typeof stand>[0]): Promise<Stand> {
  const api = await stand(t, {
    file: true,
    stores: memoryStores(),
    config: {
      grants: { alice: { token: 'alice-token-0123456789', tools: { allow: ['tools:tool-0001'] } } },
      tools: { allow: ['*'] },
    },
    beside: ({ servers, services }) => {
      servers.register(serverOf('tools', 5, { readOnlyHint: true, title: 'A tool' }));
      awkward(services.find<Management>('management') as Management);
    },
  });
  await until('the server is ready', () => api.host.board.servers()[0]?.state === 'ready');
  return api;
}

async function documentOf(api: Stand): Promise<Document> {
  return (await api.ask('GET', '/openapi.json', { token: undefined })).body as Document;
}

function validator(document: Document) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajvFormats.default(ajv);
  ajv.addSchema({ $id: 'https://document.test/', ...document });
  return (pointer: string, value: unknown): string => {
    const validate = ajv.getSchema(`https://document.test/#${pointer}`);
    if (validate === undefined) return `no schema at ${pointer}`;
    return validate(value) === true ? '' : ajv.errorsText(validate.errors);
  };
}

const escape = (step: string) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'));

test('the document is OpenAPI 3.1: every reference leads somewhere, every parameter is described, operations are unique', async (t) => {
  const api = await full(t);
  const document = await documentOf(api);
  t.like(document, { openapi: '3.1.0', servers: [{ url: '/api/v1' }], security: [{ bearer: [] }] });
  const references: string[] = [];
  const collect = (value: unknown): void => {
    if (!isObject(value) && !Array.isArray(value)) return;
    for (const [key, member] of Object.entries(value)) {
      if (key === '$ref' && typeof member === 'string') references.push(member);
      else collect(member);
    }
  };
  collect(document);
  t.true(references.length > 50);
  const find = (reference: string) =>
    reference
      .slice(2)
      .split('/')
      .reduce<unknown>((value, step) => (isObject(value) ? value[step] : undefined), document);
  t.deepEqual(
    references.filter((reference) => !reference.startsWith('#/components/') || find(reference) === undefined),
    [],
  );
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((each) => ({ path, ...each })),
  );
  t.is(new Set(operations.map(({ operationId }) => operationId)).size, operations.length);
  for (const { path, parameters, operationId } of operations) {
    const inPath = parameters.filter((each) => each['in'] === 'path').map(({ name }) => String(name));
    t.deepEqual(
      inPath,
      [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? ''),
      operationId,
    );
    for (const parameter of parameters) t.true('$ref' in parameter || isObject(parameter['schema']), operationId);
  }
  t.is(
    document.components['schemas']?.['Shared'] !== undefined &&
      Object.keys(document.components['schemas']).filter((name) => name.endsWith('Shared')).length,
    2,
    'two schemas under one id are two components',
  );
  const validate = validator(document);
  t.is(
    validate('/paths/~1trees/post/requestBody/content/application~1json/schema', {
      tree: { name: 'a', children: [] },
      soon: 'yes',
      other: { b: 1 },
    }).includes('soon'),
    true,
  );
  t.not(
    validate('/paths/~1trees~1%7Bid%7D/get/responses/200/content/application~1json/schema', {
      name: 'a',
      children: [{ nmae: 'b' }],
    }),
    '',
    'recursion is checked all the way down',
  );
});

test('the document passes the schema of OpenAPI 3.1', async (t) => {
  const name = '@seriousme/openapi-schema-validator';
  const module = (await import(name).catch(() => undefined)) as
    | {
        Validator: new () => {
          validate(value: object): Promise<{ valid: boolean; errors?: unknown }>;
          version: string;
        };
      }
    | undefined;
  if (module === undefined) {
    t.log(`skipped: ${name} is not installed`);
    t.pass();
    return;
  }
  const check = new module.Validator();
  const { valid, errors } = await check.validate(await documentOf(await full(t)));
  t.true(valid, JSON.stringify(errors));
  t.is(check.version, '3.1');
});

test('every answer is as the document says: all operations, with real answers and real refusals', async (t) => {
  const api = await full(t);
  const document = await documentOf(api);
  const validate = validator(document);
  const session = await openSession(api.host);
  const values: Record<string, string> = {
    name: 'tools',
    server: 'tools',
    tool: 'tool-0001',
    id: session,
    key: './beside.js',
  };
  const text = readFileSync(path.join(api.folder, 'plugboard.yaml'), 'utf8');
  const bodies: Record<string, unknown> = {
    validateConfiguration: { text: 'tols: {}' },
    applyConfiguration: { text },
    setPluginOptions: { options: {} },
  };
  // Those that end what others need come last.
  const last = ['endSession', 'stopServer', 'disablePlugin'];
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  operations.sort((a, b) => last.indexOf(a.operation.operationId) - last.indexOf(b.operation.operationId));
  let checked = 0;
  for (const { path, method, operation } of operations) {
    // A stream has no end; its events have a test of their own.
    if (operation.operationId === 'streamEvents') continue;
    const place = path.replace(/\{(\w+)\}/g, (_whole, name: string) => encodeURIComponent(values[name] ?? 'x'));
    const reply = await api.ask(method.toUpperCase(), place, { body: bodies[operation.operationId] });
    const refused = await api.ask(method.toUpperCase(), `${place}?surely-unknown=1`, {
      body: bodies[operation.operationId],
    });
    const misfit = await api.ask(method.toUpperCase(), place, { body: { 'surely-unknown': 1 } });
    for (const each of [reply, refused, misfit]) {
      const status =
        [String(each.status), `${String(each.status)[0]}XX`].find((one) => operation.responses[one] !== undefined) ??
        '';
      const response = operation.responses[status];
      if (response === undefined) {
        t.fail(`${operation.operationId}: ${each.status} is not documented: ${each.text}`);
        continue;
      }
      const media = each.headers['content-type']?.split(';')[0] ?? '';
      const at =
        '$ref' in response ? String(response['$ref']).slice(1) : `/paths/${escape(path)}/${method}/responses/${status}`;
      const content = at
        .slice(1)
        .split('/')
        .reduce<unknown>(
          (value, step) => (isObject(value) ? value[decodeURIComponent(step).replaceAll('~1', '/')] : undefined),
          document,
        ) as { content?: JsonObject };
      if (media === '' || media === 'text/html')
        t.true(media !== '' || content.content === undefined, operation.operationId);
      else {
        t.is(
          validate(`${at}/content/${escape(media)}/schema`, each.body),
          '',
          `${operation.operationId} ${each.status} ${each.text}`,
        );
        checked += 1;
      }
    }
    t.is(refused.status, 400, operation.operationId);
    if (method !== 'get')
      t.is(misfit.status, operation['requestBody'] === undefined ? 400 : 422, operation.operationId);
    t.not(reply.status, 400, operation.operationId);
  }
  t.true(checked >= 45, `${checked}`);
});

test('the tools say who may call them, and what they say of themselves', async (t) => {
  const api = await full(t);
  const one = (await api.ask('GET', '/tools/tools/tool-0001')).body;
  t.like(one, {
    server: 'tools',
    tool: 'tool-0001',
    name: 'tools_tool-0001',
    title: 'A tool',
    permissions: { readOnly: true, destructive: false, openWorld: true, declared: true },
  });
  t.deepEqual(
    (one['callers'] as JsonObject[]).map(({ grant }) => grant),
    ['default', 'grant:alice'],
  );
  t.deepEqual(
    ((await api.ask('GET', '/tools/tools/tool-0002')).body['callers'] as JsonObject[]).map(({ grant }) => grant),
    ['default'],
  );
  const hers = (await api.ask('GET', '/tools?grant=grant:alice')).body['items'] as JsonObject[];
  t.deepEqual(
    hers.map(({ tool }) => tool),
    ['tool-0001'],
  );
  t.is((await api.ask('GET', '/tools/tools/none')).status, 404);
});

test('the page in a browser: complete, readable, nothing from outside, no script, no error', async (t) => {
  const executablePath = '/usr/bin/chromium';
  if (!existsSync(executablePath)) {
    t.log(`skipped: there is no ${executablePath}`);
    t.pass();
    return;
  }
  t.timeout(120_000);
  const api = await full(t);
  const document = await documentOf(api);
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  const browser = await chromium.launch({ executablePath, args: flags });
  t.teardown(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const noise: string[] = [];
  const asked: string[] = [];
  page.on('console', (message) => noise.push(message.text()));
  page.on('pageerror', (error) => noise.push(String(error)));
  page.on('request', (request) => asked.push(request.url()));
  await page.goto(`${api.url}/docs`);
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  for (const { operationId, summary } of operations)
    t.is(await page.locator(`#${operationId} h3`).innerText(), String(summary));
  t.is(await page.locator('article').count(), operations.length);
  t.is(await page.locator('main b').count(), 0, 'what routes say is text, not HTML');
  t.is(await page.locator('nav a[href^="#"]').count(), operations.length + 1);
  const example = await page.locator('#setPluginOptions pre').innerText();
  t.regex(
    example,
    /^curl -X PUT "\$API\/plugins\/KEY\/options" \\\n {2}-H "Authorization: Bearer \$TOKEN" \\\n {2}-H "Idempotency-Key: [^"]+" \\\n {2}-H "Content-Type: application\/json" \\\n {2}-d '\{"options":\{\}\}'$/,
  );
  await page.locator('#listTools summary').click();
  t.true(await page.locator('#listTools').getByText('items[].permissions.readOnly').isVisible());
  t.is(
    await page.evaluate('getComputedStyle(document.body).display'),
    'grid',
    'the style is applied under its own policy',
  );
  const overflows = 'document.documentElement.scrollWidth > document.documentElement.clientWidth';
  for (const width of [1280, 800, 360]) {
    await page.setViewportSize({ width, height: 800 });
    t.false(await page.evaluate(overflows), `nothing sticks out at ${width}`);
  }
  t.deepEqual(noise, []);
  t.deepEqual(
    asked.filter((url) => !url.startsWith(api.url)),
    [],
  );
});

test('who may read the document: everybody on loopback, viewers when the option says so', async (t) => {
  const api = await stand(t);
  for (const place of ['/docs', '/openapi.json']) {
    t.is((await api.ask('GET', place, { token: undefined })).status, 200);
    t.is((await api.ask('GET', place, { token: 'a wrong token all the same' })).status, 200);
  }
  const closed = await stand(t, { admin: { docs: 'viewer' } });
  for (const place of ['/docs', '/openapi.json']) {
    t.is((await closed.ask('GET', place, { token: undefined })).status, 401);
    t.is((await closed.ask('GET', place, { token: viewer })).status, 200);
  }
  const policy = String((await send(api.url, 'GET', '/docs', { token: undefined })).headers['content-security-policy']);
  t.regex(
    policy,
    /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
});

test('the README lists every option and every route', async (t) => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const rowsOf = (section: string) =>
    (new RegExp(`^## ${section}\\n([\\s\\S]*?)^## `, 'm').exec(readme)?.[1] ?? '')
      .split('\n')
      .filter((line) => line.startsWith('| `'));
  const schema = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' }) as {
    properties: Record<string, { default: unknown; description: string }>;
  };
  const rows = Object.entries(schema.properties).map(([name, { default: initial, description }]) => {
    const shown = initial === undefined ? '' : `\`${typeof initial === 'string' ? initial : JSON.stringify(initial)}\``;
    return `| \`${name}\` | ${shown} | ${description} |`;
  });
  t.deepEqual(rowsOf('Options'), rows);
  const document = await documentOf(await stand(t));
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { summary, 'x-role': role }]) =>
        `| \`${method.toUpperCase()}\` | \`${path}\` | ${String(role)} | ${String(summary)} |`,
    ),
  );
  t.deepEqual(rowsOf('Routes'), routes);
});
