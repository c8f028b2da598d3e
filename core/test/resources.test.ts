// The law of resources, through the door that transports use: readable is what is listed, and what fits a listed template and nobody keeps from the caller.
import test from 'ava';
import fc from 'fast-check';
import { Answer, definePlugin } from '../src/index.ts';
import type { Plugin } from '../src/index.ts';
import { HandServer, ready, startHost, TestClient, until } from './support.ts';

/** What each server lists, by its name. */
const offers: Readonly<Record<string, { readonly uris: readonly string[]; readonly templates: readonly string[] }>> = {
  s: {
    uris: ['file:///a', 'file:///secret/x', 'note://one', 'other:thing'],
    templates: ['file:///{+path}', 'note://{id}'],
  },
  t: { uris: ['mem:///a', 'mem:///secret/x'], templates: ['mem:///{+path}'] },
};

function serverOf(name: 's' | 't'): HandServer {
  const { uris = [], templates = [] } = offers[name] ?? {};
  const server = new HandServer({
    name,
    lists: {
      'resources/list': { resources: uris.map((uri) => ({ uri, name: uri })) },
      'resources/templates/list': { resourceTemplates: templates.map((uriTemplate) => ({ uriTemplate, name: 'any' })) },
      'prompts/list': { prompts: [{ name: 'greet' }, { name: 'hidden' }] },
    },
  });
  server.answer = (call) => Answer.result({ contents: [], from: name, params: call.params });
  return server;
}

/** A plugin that takes resources and templates out of the list. */
function hiding(names: readonly string[]): Plugin {
  return definePlugin({
    id: 'hiding',
    apiVersion: 1,
    apply: ({ hooks }) => hooks.on('onListResources', (list) => list.filter(({ name }) => !names.includes(name))),
  });
}

const rules = fc.record({
  allow: fc.subarray(['*', 's:file:///*', 's:note:*', 's:file:///{+path}', 't:*', 's:note://{id}']),
  deny: fc.subarray([
    's:file:///secret/*',
    '*:note://one',
    's:note://{id}',
    't:mem:///secret/*',
    '*:file:///not listed',
  ]),
});

/** The rules above, for URIs as their servers read them. */
const denials: Readonly<Record<string, RegExp>> = {
  's:file:///secret/*': /^file:\/\/\/secret\//,
  '*:note://one': /^note:\/\/one$/,
  's:note://{id}': /^note:\/\/\{id\}$/,
  't:mem:///secret/*': /^mem:\/\/\/secret\//,
  '*:file:///not listed': /^file:\/\/\/not listed$/,
};

/** What is asked for, and what its server takes it for. */
const asked: readonly (readonly [string, string])[] = [
  ...Object.values(offers).flatMap(({ uris, templates }) => [...uris, ...templates]),
  'file:///b',
  'note://two',
  'mem:///secret/y',
  'nobody:this',
  '',
  ['file:///%73ecret/y', 'file:///secret/y'] as const,
  ['file:///./secret/x', 'file:///secret/x'] as const,
  ['file:///not%20listed', 'file:///not listed'] as const,
].map((each) => (typeof each === 'string' ? [each, each] : each));

async function namesOf(client: TestClient, method: string, member: string, key: string): Promise<string[]> {
  const { response } = await client.request(method);
  return ((response.result?.[member] ?? []) as Record<string, string>[]).map((each) => String(each[key]));
}

test('a resource is readable exactly when it is listed, or fits a listed template and is not denied or taken out', async (t) => {
  const hideable = Object.values(offers).flatMap(({ uris, templates }) => [...uris, ...templates]);
  await fc.assert(
    fc.asyncProperty(
      fc.option(rules, { nil: undefined }),
      fc.option(fc.subarray(hideable), { nil: undefined }),
      fc.constantFrom(undefined, 's'),
      async (resources, hidden, endpoint) => {
        const plugins = [serverOf('s').plugin, serverOf('t').plugin, ...(hidden === undefined ? [] : [hiding(hidden)])];
        const { host, board } = await startHost(plugins, resources === undefined ? {} : { resources });
        try {
          await ready(board);
          for (const client of [
            await TestClient.old(board, board.defaultGrant, {}, endpoint),
            await TestClient.new(board, board.defaultGrant, endpoint),
          ]) {
            const listed = await namesOf(client, 'resources/list', 'resources', 'uri');
            const shown = await namesOf(client, 'resources/templates/list', 'resourceTemplates', 'uriTemplate');
            // One server's endpoint has no list to hold to where all of it is open and nobody takes anything out.
            const open = endpoint !== undefined && resources === undefined && hidden === undefined;
            for (const [uri, meant] of asked) {
              const fits = shown.some((template) => uri.startsWith(String(template.split('{')[0])));
              const denied = resources?.deny.some((pattern) => denials[pattern]?.test(meant) === true) === true;
              // A rule that allows a template allows its URIs; so only what would be listed can have been taken out.
              const takenOut = hidden?.includes(meant) === true && isAllowed(resources?.allow, meant);
              const { response } = await client.request('resources/read', { uri });
              const readable = open || listed.includes(uri) || (fits && !denied && !takenOut);
              t.is(response.result !== undefined, readable, JSON.stringify({ uri, resources, hidden, endpoint }));
            }
          }
        } finally {
          await host.stop();
        }
      },
    ),
    { numRuns: 60 },
  );
});

function isAllowed(allow: readonly string[] | undefined, uri: string): boolean {
  if (allow === undefined || allow.includes('*')) return true;
  if (uri.startsWith('mem:')) return allow.includes('t:*');
  if (uri.startsWith('file:')) return allow.includes('s:file:///*');
  return uri.startsWith('note:') && allow.includes('s:note:*');
}

test('a denied URI is refused in every spelling and for every use; what a template allows is served', async (t) => {
  const server = serverOf('s');
  const { host, board } = await startHost([server.plugin], {
    resources: { allow: ['s:*'], deny: ['s:file:///secret/*', 's:note://my notes'] },
  });
  t.teardown(() => host.stop());
  await ready(board);
  const kept = [
    'file:///secret/x',
    'file:///secret/unlisted',
    'file:///%73ecret/x',
    'file:///secret%2Fx',
    'file:///./secret/x',
    'file:////secret/x',
    'FILE:///secret/x',
    'file:///pub/../secret/x',
    'file:///pub/%2e%2e/secret/x',
    'file:///pub/..%2fsecret/x',
    'note://my%20notes',
    'note://my%20notes?now',
  ];
  for (const client of [
    await TestClient.old(board),
    await TestClient.old(board, board.defaultGrant, {}, 's'),
    await TestClient.new(board),
  ]) {
    const { era } = client.session;
    for (const uri of kept) {
      const { response } = await client.request('resources/read', { uri });
      t.is(response.error?.code, era === 'old' ? -32002 : -32602, `${uri} was read`);
      const ref = { type: 'ref/resource', uri };
      const completion = await client.request('completion/complete', { ref, argument: { name: 'path', value: '' } });
      t.truthy(completion.response.error, `${uri} was completed`);
      if (era === 'old') t.is((await client.request('resources/subscribe', { uri })).response.error?.code, -32002);
    }
    for (const uri of ['file:///a', 'file:///pub/b', 'file:///pub/a..b', 'note://two', 'note://50%'])
      t.truthy((await client.request('resources/read', { uri })).response.result, `${uri} was not read`);
  }
  t.deepEqual(server.uris('resources/subscribe'), []);
  const stream = (await TestClient.new(board)).listen({ toolsListChanged: true, resourceSubscriptions: kept });
  await until(() => stream.heard.length > 0);
  t.like(stream.heard[0], { params: { notifications: { toolsListChanged: true } } });
  t.deepEqual(server.uris('resources/subscribe'), []);
});

test('a template that is allowed speaks for its URIs; a completion names what was looked up and nothing else', async (t) => {
  const server = serverOf('s');
  const { host, board } = await startHost([server.plugin], {
    resources: { allow: ['s:note://{id}'] },
    prompts: { allow: ['s:greet'] },
  });
  t.teardown(() => host.stop());
  await ready(board);
  const client = await TestClient.old(board, board.defaultGrant, {}, 's');
  t.truthy((await client.request('resources/read', { uri: 'note://one' })).response.result);
  t.truthy((await client.request('resources/read', { uri: 'file:///a' })).response.error);
  const complete = async (ref: unknown) =>
    (await client.request('completion/complete', { ref, argument: { name: 'id', value: '' } })).response;
  t.truthy((await complete({ type: 'ref/prompt', name: 'hidden' })).error);
  for (const ref of [
    { type: 'ref/prompts', name: 'hidden', uri: 'note://{id}' },
    { name: 'hidden', uri: 'note://{id}' },
    { type: 'ref/resource', uri: ['note://{id}'] },
    { type: 'ref/prompt', name: ['greet'] },
    undefined,
  ])
    t.is((await complete(ref)).error?.code, -32602);
  await complete({ type: 'ref/resource', uri: 'note://{id}', name: 'hidden' });
  await complete({ type: 'ref/prompt', name: 'greet', uri: 'file:///secret/x' });
  t.deepEqual(
    server.calls.flatMap(({ method, params }) => (method === 'completion/complete' ? [params?.['ref']] : [])),
    [
      { type: 'ref/resource', uri: 'note://{id}' },
      { type: 'ref/prompt', name: 'greet' },
    ],
  );
});
