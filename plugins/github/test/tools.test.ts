// Every tool against GitHub's description: what it sends is as described, what it answers fits its own output schema. And the list of tools
// against that of the reference server.
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import test from 'ava';
import type { JsonObject, Tool } from 'plugboard';
import { toolsets } from '../src/options.ts';
import { allTools } from '../src/tools/index.ts';
import { samples } from './samples.ts';
import { checkGitHub, openFor, register, stand } from './stand.ts';

interface ReferenceTool {
  readonly name: string;
  readonly arguments: Readonly<Record<string, { readonly type: string; readonly enum?: readonly string[] }>>;
  readonly required: readonly string[];
}

interface InputSchema {
  readonly properties?: Readonly<Record<string, JsonObject>>;
  readonly required?: readonly string[];
}

const reference = JSON.parse(readFileSync(new URL('../../test/reference-tools.json', import.meta.url), 'utf8')) as {
  version: string;
  tools: ReferenceTool[];
};

test('drop-in: the tools of the reference server are there, with the same arguments', async (t) => {
  const tools = await (await openFor(t, await register({}))).list();
  t.is(reference.tools.length, 26);
  for (const { name, arguments: expected, required } of reference.tools) {
    const schema = tools.find((each) => each.name === name)?.inputSchema as InputSchema | undefined;
    if (schema === undefined) {
      t.fail(`there is no tool ${name}`);
      continue;
    }
    t.deepEqual([...(schema.required ?? [])].toSorted(), [...required].toSorted(), name);
    for (const [argument, { type, enum: values }] of Object.entries(expected)) {
      const own = schema.properties?.[argument];
      t.is(own?.['type'] === 'integer' ? 'number' : own?.['type'], type, `${name}.${argument}`);
      if (values !== undefined) t.deepEqual(own?.['enum'], values, `${name}.${argument}`);
    }
  }
});

test('every tool is described for agents: title, description, arguments, hints, output', async (t) => {
  const tools = await (await openFor(t, await register({}))).list();
  t.is(tools.length, allTools.length);
  t.is(new Set(tools.map(({ name }) => name)).size, tools.length);
  for (const tool of tools) {
    const { title, description, annotations, inputSchema, outputSchema } = tool as Tool & JsonObject;
    t.true(typeof title === 'string' && title.length > 3, tool.name);
    t.true((description ?? '').length > 20, tool.name);
    t.true(outputSchema !== undefined, tool.name);
    for (const hint of ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'])
      t.is(typeof (annotations as JsonObject)[hint], 'boolean', `${tool.name} ${hint}`);
    for (const [name, argument] of Object.entries((inputSchema as InputSchema).properties ?? {}))
      t.is(typeof argument['description'], 'string', `${tool.name}.${name} has no description`);
  }
});

test('toolsets and readOnly choose, and what is not chosen is not there', async (t) => {
  const of = async (options: JsonObject) =>
    (await (await openFor(t, await register(options))).list()).map(({ name }) => name);
  const all = await of({});
  const single = await Promise.all(toolsets.map((toolset) => of({ toolsets: [toolset] })));
  t.deepEqual(single.flat().toSorted(), all.toSorted());
  t.deepEqual(await of({ toolsets: ['users'] }), ['get_me', 'get_user']);
  const reading = await of({ readOnly: true });
  t.true(reading.length > 20 && reading.every((name) => /^(?:get|list|search)_/.test(name)), reading.join(' '));
  t.deepEqual(
    all.filter((name) => /^(?:get|list|search)_/.test(name)),
    reading,
  );
  const narrow = await openFor(
    t,
    await register({ toolsets: ['issues'], readOnly: true, baseUrl: 'http://127.0.0.1:9' }),
    'g',
  );
  for (const name of ['create_issue', 'get_pull_request', 'merge_pull_request', 'get_me', '../get_me', '__proto__']) {
    const { failed, text } = await narrow.call(name, {});
    t.true(failed && /Unknown tool/.test(text), name);
  }
});

test('every tool asks as GitHub describes it, and answers as it says itself', async (t) => {
  const tokens = Object.fromEntries(samples.map((_sample, index) => [`g:${index}`, `token-of-sample-${index}`]));
  const ajv = new Ajv({ strict: false });
  addFormats.default(ajv);
  const tools = new Map((await (await openFor(t, await register({}))).list()).map((tool) => [tool.name, tool]));
  t.deepEqual([...new Set(samples.map(({ tool }) => tool))].toSorted(), [...tools.keys()].toSorted());
  const { github, open } = await stand(t, { tokens });
  github.answer('actions/download-job-logs-for-workflow-run', {
    status: 302,
    headers: { location: `${github.url}/zen` },
  });
  github.answer('meta/get-zen', { text: 'all went well\n', undescribed: true });
  // Two at a time: the calls are cheap, their answers are large.
  const queue = samples.entries();
  const worker = async () => {
    for (const [index, { tool, args, operations }] of queue) {
      const client = await open(`g:${index}`);
      const result = await client.call(tool, args);
      t.false(result.failed, `${tool}: ${result.text}`);
      const validate = ajv.compile(tools.get(tool)?.['outputSchema'] as JsonObject);
      t.true(
        validate(result.structured),
        `${tool}: ${JSON.stringify(validate.errors)} ${JSON.stringify(result.structured)}`,
      );
      t.true(Object.keys(result.structured).length > 0, tool);
      const own = github.requests.filter(({ headers }) => headers.authorization === `token token-of-sample-${index}`);
      const expected = tool === 'get_job_logs' ? [...operations, 'meta/get-zen'] : operations;
      t.deepEqual(
        own.map(({ operation }) => operation),
        expected,
        tool,
      );
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  checkGitHub(t, github);
});
