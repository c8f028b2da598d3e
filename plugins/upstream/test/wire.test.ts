// The reading of answers by our own hand against the parsers of Node and undici: what it takes, they take, and as the same.
import assert from 'node:assert';
import { request } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { Pool } from 'undici';
import { dispatch, Exchange } from '../src/http/exchange.ts';
import { readPlainHead, Wire } from '../src/http/wire.ts';
import { Wires } from '../src/http/wires.ts';
import { until } from './support.ts';

const limit = 100_000;

/** What came of an answer. */
interface Outcome {
  readonly status: number;
  readonly texts: string[];
  readonly events: string[];
  readonly good: boolean;
  readonly text: string;
  readonly error?: string;
}

function outcomeOf(send: (exchange: Exchange) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const texts: string[] = [];
    const events: string[] = [];
    const sink = {
      text: (bytes: Buffer) => void texts.push(bytes.toString('latin1')),
      event: (type: string, data: Buffer) => void events.push(`${type} ${data.toString('latin1')}`),
      done: ({ status, error, text }: Exchange) =>
        resolve({ status, texts, events, good: error === undefined, text, error: String(error) }),
    };
    send(new Exchange(limit, sink, () => {}));
  });
}

/** A server that answers every request with the pieces of the moment, one after the other, and closes. */
async function serve(
  t: ExecutionContext,
): Promise<{ url: URL; pieces: Buffer[]; keep: boolean; connections: number; requests: number }> {
  const sockets = new Set<Socket>();
  const state = { url: new URL('http://local'), pieces: new Array<Buffer>(), keep: false, connections: 0, requests: 0 };
  const server = createServer({ noDelay: true }, (socket) => {
    state.connections += 1;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', () => {
      state.requests += 1;
      const pieces = [...state.pieces];
      const next = (): void => {
        const piece = pieces.shift();
        if (piece !== undefined) socket.write(piece, () => setImmediate(next));
        else if (!state.keep) socket.end();
      };
      next();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return state;
}

function viaNode(url: URL): Promise<Outcome> {
  return outcomeOf((exchange) => {
    const asked = request(url, { method: 'POST', agent: false }, (response) => {
      exchange.begin(response.statusCode ?? 0, response.headers);
      response.on('data', (chunk: Buffer) => exchange.data(chunk));
      response.on('error', (error) => exchange.fail(error));
      response.on('end', () => exchange.finish());
    });
    asked.on('error', (error) => exchange.fail(error));
    asked.end('{}');
  });
}

const comparable = ({ status, texts, events, good, text }: Outcome): unknown => ({ status, texts, events, good, text });

const json = '{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"gr\u00fc\u00df dich"}]}}';
const stream = `: hi\n\nevent: message\nid: 4\ndata: ${json}\n\nevent: other\r\ndata: x\r\n\r\n`;

const oneOf = (...values: string[]) => fc.constantFrom(...values);
const often = (usual: string, ...odd: string[]) =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 2, arbitrary: oneOf(...odd) });

/** A body in chunks, mostly well-formed. */
const chunks = fc
  .record({
    sizes: fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 6 }),
    extension: often('', ';a=b', ' ;q', ';\u0001', 'g'),
    ending: often('\r\n', '\n', '\r', ' \r\n'),
    end: often('0\r\n\r\n', '0\r\nx-t: 1\r\n\r\n', '000\r\n\r\n', '0\r\nbad trailer\r\n\r\n', '', '0\r\n', '0\n\n'),
    upper: fc.boolean(),
  })
  .map(({ sizes, extension, ending, end, upper }) => (body: string) => {
    let rest = Buffer.from(body).toString('latin1');
    let text = '';
    for (const size of [...sizes, Number.POSITIVE_INFINITY]) {
      const part = rest.slice(0, size);
      rest = rest.slice(size);
      if (part === '') break;
      const digits = part.length.toString(16);
      text += `${upper ? digits.toUpperCase() : digits}${extension}${ending}${part}${ending}`;
    }
    return text + end;
  });

const answers = fc
  .record({
    first: often(
      'HTTP/1.1 200 OK',
      'HTTP/1.1 200',
      'HTTP/1.1 200 ',
      'HTTP/1.0 200 OK',
      'HTTP/1.1 202 Accepted',
      'HTTP/1.1 204 None',
      'HTTP/1.1 500 No',
      'http/1.1 200 OK',
      'HTTP/1.1  200 OK',
      'HTTP/1.1 2000 OK',
      'HTTP/1.1 200 \u0001',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK',
    ),
    type: often(
      'content-type: application/json',
      'Content-Type: application/json; charset=utf-8',
      'content-type:text/event-stream',
      'content-type: text/event-stream; charset=utf-8',
      'content-type: text/plain',
      'content-type : application/json',
      'content-type: application/json\r\ncontent-type: text/plain',
      'x: y',
    ),
    length: often('exact', 'exact', '+1', '-1', 'none', 'twice', 'huge', 'text', 'plus'),
    chunked: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 2, arbitrary: fc.constant(true) }),
    coding: often(
      'transfer-encoding: chunked',
      'Transfer-Encoding: Chunked',
      'transfer-encoding: gzip, chunked',
      'transfer-encoding: chunked, chunked',
      'transfer-encoding: identity',
      'transfer-encoding: chunked\r\ncontent-length: 5',
    ),
    others: fc.array(
      oneOf(
        'connection: keep-alive',
        'Connection: close',
        'connection: upgrade',
        'keep-alive: timeout=5',
        'date: today',
        ' folded: x',
        'x: a\u0000b',
        'x y: z',
        ': z',
        'x:',
        'mcp-session-id: \u00ff',
        'upgrade: h2c',
        'content-encoding: identity',
      ),
      { maxLength: 3 },
    ),
    ending: often('\r\n', '\n', '\r\r\n'),
    body: oneOf(json, stream, '', json.repeat(900)),
    encode: chunks,
    extra: often('', 'x', 'HTTP/1.1 200 OK\r\n\r\n'),
    damage: fc.option(fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) }), { freq: 8 }),
    cuts: fc.array(fc.nat(), { maxLength: 6 }),
  })
  .map(({ first, type, length, chunked, coding, others, ending, body, encode, extra, damage, cuts }) => {
    const size = Buffer.byteLength(body);
    const lengths: Record<string, string[]> = {
      exact: [`content-length: ${size}`],
      '+1': [`Content-Length: ${size + 1}`],
      '-1': [`content-length: ${Math.max(0, size - 1)}`],
      none: [],
      twice: [`content-length: ${size}`, `content-length: ${size}`],
      huge: ['content-length: 99999999999999999999'],
      text: ['content-length: 5a'],
      plus: [`content-length: +${size}`],
    };
    const lines = [first, type, ...(chunked ? [coding] : (lengths[length] ?? [])), ...others];
    const content = chunked ? encode(body) : Buffer.from(body).toString('latin1');
    const bytes = Buffer.from(`${lines.join(ending)}${ending}${ending}${content}${extra}`, 'latin1');
    if (damage !== null && bytes.length > 0) bytes[damage.at % bytes.length] = damage.to;
    const places = [0, ...cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b), bytes.length];
    return places.slice(1).map((end, index) => bytes.subarray(places[index], end));
  });

test('what it makes of any answer is what Node makes of it; what it takes, undici takes as well', async (t) => {
  const server = await serve(t);
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(answers, async (pieces) => {
      server.pieces = pieces;
      let clean = false;
      const owner = { freed: () => (clean = true), gone: () => {}, unusual: () => {} };
      const wire = new Wire({ host: server.url.hostname, port: Number(server.url.port) }, owner);
      const pool = new Pool(server.url.origin, { pipelining: 1 });
      const ours = await outcomeOf((exchange) => wire.send('POST / HTTP/1.1\r\nhost: x\r\n\r\n', true, exchange));
      const theirs = await viaNode(server.url);
      const undici = await outcomeOf((exchange) => dispatch(pool, { method: 'POST', path: '/', body: '{}' }, exchange));
      wire.close(new Error('enough'));
      await pool.destroy();
      const shown = JSON.stringify(Buffer.concat(pieces).toString('latin1').slice(0, 600));
      if (ours.good) {
        taken += 1;
        // What comes after an answer ends the socket here, and may end the answer there.
        if (clean || theirs.good) assert.deepEqual(comparable(ours), comparable(theirs), shown);
        if (clean || undici.good) assert.deepEqual(ours.texts, undici.texts, shown);
      } else assert.ok(!theirs.good, `refused, though Node reads it (${ours.error}): ${shown}`);
    }),
    { numRuns: 300 },
  );
  t.true(taken > 50, `${taken} answers were taken`);
});

test('heads that are not plain are left to others', (t) => {
  const head = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n`;
  const type = 'Content-Type: application/json';
  t.deepEqual(readPlainHead(head(type, 'Content-Length: 12', 'Keep-Alive: timeout=5')), {
    length: 12,
    events: false,
    kept: 5,
  });
  t.deepEqual(
    readPlainHead(head('content-type: text/event-stream', 'transfer-encoding: chunked', 'connection: close')),
    {
      length: undefined,
      events: true,
      kept: 0,
    },
  );
  for (const odd of [
    head(type),
    head(type, 'content-length: 1', 'content-length: 1'),
    head(type, 'content-length: 1', 'transfer-encoding: chunked'),
    head(type, 'transfer-encoding: gzip, chunked'),
    head(type, 'content-length: 0x1'),
    head(type, 'content-length: 1', ' folded'),
    head(type, 'content-length: 1', 'a b: c'),
    head(type, 'content-length: 1', 'x: a\nb: c'),
    head(type, 'content-length: 1', 'content-encoding: gzip'),
    head('content-type: text/html', 'content-length: 1'),
    head(type, 'content-length: 1').replace('200', '201'),
    head(type, 'content-length: 1').replace('1.1', '1.0'),
  ])
    t.is(readPlainHead(odd), undefined, odd);
});

test('sockets: used again, one for each call at once up to the limit, never for two; given up with their call', async (t) => {
  const server = await serve(t);
  server.keep = true;
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`);
  server.pieces = [answer];
  const wires = new Wires(server.url, 2);
  t.teardown(() => wires.close());
  const ask = () => outcomeOf((exchange) => wires.post('/', '', '{}', exchange));
  t.deepEqual(
    (await Promise.all([ask(), ask(), ask(), ask(), ask()])).map(({ texts }) => texts),
    Array.from({ length: 5 }, () => ['{}']),
  );
  t.is(server.connections, 2);
  // One that is never answered keeps its socket; the others go on with the other.
  server.pieces = [];
  let stuck: Exchange | undefined;
  const never = outcomeOf((exchange) => {
    stuck = exchange;
    wires.post('/', '', '{}', exchange);
  });
  await until('the request is there', () => server.requests === 6);
  server.pieces = [answer];
  t.deepEqual(
    (await Promise.all([ask(), ask(), ask()])).map(({ good }) => good),
    [true, true, true],
  );
  t.is(server.connections, 2);
  stuck?.abort(new Error('enough'));
  t.regex((await never).error ?? '', /enough/);
  // An exchange that is over has no socket any more: to abort it harms nobody.
  let over: Exchange | undefined;
  await outcomeOf((exchange) => {
    over = exchange;
    wires.post('/', '', '{}', exchange);
  });
  const under = ask();
  over?.abort(new Error('late'));
  t.true((await under).good);
});

test('an answer that is too long, nothing that listens, and the end of all sockets are told', async (t) => {
  const server = await serve(t);
  server.keep = true;
  const head = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
  server.pieces = [Buffer.from(`${head}content-length: ${limit + 1}\r\n\r\n${'x'.repeat(limit + 1)}`)];
  const wires = new Wires(server.url, 2);
  const ask = () => outcomeOf((exchange) => wires.post('/', '', '{}', exchange));
  t.regex((await ask()).error ?? '', /more than 100000 bytes/);
  server.pieces = [Buffer.from(head)];
  const asked = ask();
  await until('the request is there', () => server.requests === 2);
  wires.close();
  t.regex((await asked).error ?? '', /closed/);
  t.regex((await ask()).error ?? '', /closed/);
  const nobody = new Wires(new URL('http://127.0.0.1:1'), 1);
  t.regex((await outcomeOf((exchange) => nobody.post('/', '', '{}', exchange))).error ?? '', /ECONNREFUSED/);
  nobody.close();
});
