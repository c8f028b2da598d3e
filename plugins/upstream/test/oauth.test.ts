// Signing in to servers by OAuth, against a small authorization server that checks what it is sent (PKCE, state, client, scope).
import { createHash, randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { JsonObject } from 'plugboard';
import { bodyOf, Harness, json, serve, textOf, tool, until } from './support.ts';

const clientSecret = 'sesame-open-9876';

/** A protected MCP server and its authorization server on one port. */
class Guarded {
  url = '';
  readonly valid = new Set<string>();
  readonly issued: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #clients = new Map<string, string>();
  readonly #codes = new Map<string, { challenge: string; scope: string }>();
  readonly #refresh = new Map<string, string>();
  readonly #scopes = new Map<string, string>();

  static async start(t: ExecutionContext): Promise<Guarded> {
    const guarded = new Guarded();
    const { url } = await serve(t, (request, response) => void guarded.#handle(request, response));
    guarded.url = url;
    return guarded;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const address = new URL(request.url ?? '/', this.url);
    this.counts[address.pathname] = (this.counts[address.pathname] ?? 0) + 1;
    switch (address.pathname) {
      case '/.well-known/oauth-protected-resource/mcp':
        json(response, 200, { resource: `${this.url}/mcp`, authorization_servers: [this.url] });
        break;
      case '/.well-known/oauth-authorization-server':
        json(response, 200, {
          issuer: this.url,
          authorization_endpoint: `${this.url}/authorize`,
          token_endpoint: `${this.url}/token`,
          registration_endpoint: `${this.url}/register`,
          response_types_supported: ['code'],
          code_challenge_methods_supported: ['S256'],
          authorization_response_iss_parameter_supported: true,
        });
        break;
      case '/register': {
        const id = randomUUID();
        const { redirect_uris } = (await bodyOf(request)) as { redirect_uris: string[] };
        this.#clients.set(id, redirect_uris[0] ?? '');
        json(response, 201, { client_id: id, redirect_uris });
        break;
      }
      case '/authorize':
        this.#authorize(address.searchParams, response);
        break;
      case '/token':
        await this.#token(request, response);
        break;
      case '/mcp':
        await this.#serve(request, response);
        break;
      default:
        response.writeHead(404).end();
    }
  }

  #authorize(params: URLSearchParams, response: ServerResponse): void {
    const redirect = params.get('redirect_uri') ?? '';
    if (this.#clients.get(params.get('client_id') ?? '') !== redirect) response.writeHead(400).end('unknown client');
    else {
      const code = randomUUID();
      this.#codes.set(code, { challenge: params.get('code_challenge') ?? '', scope: params.get('scope') ?? '' });
      const query = new URLSearchParams({ code, state: params.get('state') ?? '', iss: this.url });
      response.writeHead(302, { location: `${redirect}?${query.toString()}` }).end();
    }
  }

  async #token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const params = new URLSearchParams(Buffer.concat(chunks).toString());
    const grant = params.get('grant_type') ?? '';
    this.counts[grant] = (this.counts[grant] ?? 0) + 1;
    const code = this.#codes.get(params.get('code') ?? '');
    const verifier = createHash('sha256')
      .update(params.get('code_verifier') ?? '')
      .digest('base64url');
    const basic = Buffer.from((request.headers.authorization ?? '').slice(6), 'base64').toString();
    const refreshed = this.#refresh.get(params.get('refresh_token') ?? '');
    if (grant === 'authorization_code' && code?.challenge === verifier) this.#issue(response, code.scope);
    else if (grant === 'refresh_token' && refreshed !== undefined) this.#issue(response, refreshed);
    else if (grant === 'client_credentials' && basic === `robot:${clientSecret}`)
      this.#issue(response, params.get('scope') ?? '');
    else json(response, 400, { error: 'invalid_grant' });
  }

  #issue(response: ServerResponse, scope: string): void {
    const [access_token, refresh_token] = [`token-${randomUUID()}`, randomUUID()];
    this.valid.add(access_token);
    this.issued.push(access_token, refresh_token);
    this.#scopes.set(access_token, scope);
    this.#refresh.set(refresh_token, scope);
    json(response, 200, { access_token, refresh_token, token_type: 'Bearer', expires_in: 3600, scope });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const token = (request.headers.authorization ?? '').slice(7);
    if (!this.valid.has(token)) {
      const challenge = `Bearer resource_metadata="${this.url}/.well-known/oauth-protected-resource/mcp", scope="read"`;
      json(response, 401, { error: 'invalid_token' }, { 'www-authenticate': challenge });
      return;
    }
    if (request.method !== 'POST') {
      response.writeHead(405).end();
      return;
    }
    const { id, method, params } = (await bodyOf(request)) as {
      id?: number;
      method: string;
      params?: { name?: string };
    };
    const scope = this.#scopes.get(token) ?? '';
    if (params?.name === 'write' && !scope.includes('write')) {
      json(response, 403, {}, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="write"' });
    } else if (id === undefined) response.writeHead(202).end();
    else if (method === 'initialize') {
      json(response, 200, {
        jsonrpc: '2.0',
        id,
        result: { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 'g', version: '1' } },
      });
    } else if (method === 'tools/call')
      json(response, 200, { jsonrpc: '2.0', id, result: { content: [{ type: 'text', text: scope }] } });
    else json(response, 200, { jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } });
  }
}

/** Opens every address that the log asks a person to open, as a browser would. */
function browse(harness: Harness): () => void {
  let seen = 0;
  const timer = setInterval(() => {
    for (const line of harness.messages().slice(seen)) {
      const url = /sign in: open (\S+)/.exec(line)?.[1];
      if (url !== undefined) void fetch(url);
    }
    seen = harness.messages().length;
  }, 20);
  return () => clearInterval(timer);
}

async function folder(t: ExecutionContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'plugboard-oauth-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

const entry = (guarded: Guarded, oauth?: JsonObject | boolean) => ({
  servers: { g: { url: `${guarded.url}/mcp`, ...(oauth === undefined ? {} : { oauth }) } },
});

test('signing in once: the browser returns, tokens are used, refreshed once for many calls, and widened', async (t) => {
  const guarded = await Guarded.start(t);
  const harness = await Harness.start(t, entry(guarded), await folder(t));
  t.teardown(browse(harness));
  const { connection } = await harness.connect('g');
  t.is(textOf(await tool(connection, 'read')), 'read');
  t.is(guarded.counts['/authorize'], 1);
  guarded.valid.clear();
  const calls = await Promise.all(Array.from({ length: 10 }, () => tool(connection, 'read')));
  t.deepEqual(
    calls.map(textOf),
    Array.from({ length: 10 }, () => 'read'),
  );
  t.is(guarded.counts['refresh_token'], 1);
  t.is(guarded.counts['/authorize'], 1);
  t.is(textOf(await tool(connection, 'write')), 'read write');
  t.is(guarded.counts['/authorize'], 2);
  t.is(guarded.counts['/register'], 1);
  // Another lease of the same server uses the same tokens.
  const { connection: other } = await harness.connect('g', { kind: 'session', id: 'other' });
  t.is(textOf(await tool(other, 'write')), 'read write');
  t.is(guarded.counts['/authorize'], 2);
  for (const line of harness.messages()) for (const token of guarded.issued) t.false(line.includes(token));
});

test('tokens outlive the proxy, in a file that only its owner can read, and a changed address starts anew', async (t) => {
  const guarded = await Guarded.start(t);
  const path = await folder(t);
  const first = await Harness.start(t, entry(guarded), path);
  const stop = browse(first);
  await first.connect('g');
  stop();
  await first.stop();
  const second = await Harness.start(t, entry(guarded), path);
  const { connection } = await second.connect('g');
  t.is(textOf(await tool(connection, 'read')), 'read');
  t.is(guarded.counts['/authorize'], 1);
  const [name] = await readdir(join(path, '.plugboard', 'oauth'));
  const file = join(path, '.plugboard', 'oauth', name ?? '');
  t.is((await stat(file)).mode & 0o777, 0o600);
  // What is broken is as good as not there.
  await writeFile(file, '{"half":');
  const third = await Harness.start(t, { maxSockets: 7, ...entry(guarded) }, path);
  t.teardown(browse(third));
  await third.connect('g');
  t.is(guarded.counts['/authorize'], 2);
});

test('while nobody has signed in, opening says so and where; afterwards it works', async (t) => {
  const guarded = await Guarded.start(t);
  const harness = await Harness.start(t, { connectTimeout: 8000, ...entry(guarded, true) }, await folder(t));
  await t.throwsAsync(harness.connect('g'), {
    message: /server "g" waits for you to sign in: open the address that the log shows/,
  });
  const [url] = harness.messages('warn').map((line) => /sign in: open (\S+)/.exec(line)?.[1]);
  t.truthy(url);
  // An answer with a state that is not ours is not taken.
  const callback = new URL(new URL(url!).searchParams.get('redirect_uri')!);
  t.is(callback.hostname, '127.0.0.1');
  t.is((await fetch(`${callback.href}?code=x&state=forged`)).status, 400);
  t.is((await fetch(url!)).status, 200);
  await until('the token', () => guarded.counts['authorization_code'] === 1 && guarded.valid.size === 1);
  const { connection } = await harness.connect('g');
  t.is(textOf(await tool(connection, 'read')), 'read');
  t.is(guarded.counts['/authorize'], 1);
});

test('signing in can be forbidden, and is not tried where the configuration names the caller', async (t) => {
  const guarded = await Guarded.start(t);
  const never = await Harness.start(t, entry(guarded, false), await folder(t));
  await t.throwsAsync(never.connect('g'), { message: /HTTP 401\): set headers\.Authorization under mcpServers\.g/ });
  const named = await Harness.start(
    t,
    { servers: { g: { url: `${guarded.url}/mcp`, headers: { authorization: 'Bearer mine' } } } },
    await folder(t),
  );
  await t.throwsAsync(named.connect('g'), { message: /HTTP 401\)/ });
  t.is(guarded.counts['/register'], undefined);
  t.is(guarded.counts['/.well-known/oauth-protected-resource/mcp'], undefined);
});

test('client credentials: no person takes part; wrong ones are named without their secret', async (t) => {
  const guarded = await Guarded.start(t);
  const robot = { grant: 'client_credentials', clientId: 'robot', clientSecret, issuer: guarded.url };
  const good = await Harness.start(t, entry(guarded, robot), await folder(t));
  const { connection } = await good.connect('g');
  t.is(textOf(await tool(connection, 'read')), 'read');
  guarded.valid.clear();
  // The token is replaced, by the refresh token or anew.
  t.is(textOf(await tool(connection, 'read')), 'read');
  t.is(textOf(await tool(connection, 'write')), 'read write');
  t.is(guarded.counts['/register'], undefined);
  t.is(guarded.counts['/authorize'], undefined);
  const bad = await Harness.start(t, entry(guarded, { ...robot, clientSecret: 'sesame-wrong-1' }), await folder(t));
  const failure = await t.throwsAsync(bad.connect('g'));
  t.regex(failure.message, /server "g": signing in failed: the authorization server said/);
  for (const text of [failure.message, ...good.messages(), ...bad.messages()]) t.false(text.includes('sesame'));
  const elsewhere = await Harness.start(
    t,
    entry(guarded, { ...robot, issuer: 'https://auth.example.com' }),
    await folder(t),
  );
  const before = guarded.counts['/token'];
  await t.throwsAsync(elsewhere.connect('g'), {
    message: /clientId belongs to https:\/\/auth\.example\.com: nothing was sent there/,
  });
  t.is(guarded.counts['/token'], before, 'the secret is told to nobody but its issuer');
});
