// Answers that are passed on as bytes, also between the eras, against the same answers parsed and written again.
import test from 'ava';
import * as fc from 'fast-check';
import { Answer } from '../src/protocol/answer.ts';
import { findResponseId } from '../src/protocol/response-place.ts';
import { metaKey } from '../src/protocol/messages.ts';
import type { JsonObject, RpcResponse } from '../src/protocol/messages.ts';
import { translateAnswer, translateBytes } from '../src/protocol/translate.ts';

const serverInfo = { name: 'tést', version: '1' };
const marks = { resultType: 'complete', _meta: { [metaKey.serverInfo]: serverInfo } };

const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"_meta"', ',"resultType":"complete"', '}}', '"result":{', '\\"', ',"id":7}'),
);
const members = fc.dictionary(
  fc.oneof(texts, fc.constantFrom('content', 'isError', '_meta', 'resultType')),
  fc.json().map((text) => JSON.parse(text) as unknown),
);

/** One result in the layouts in which servers write responses. */
const responses = fc.record({
  result: fc.oneof(
    members,
    texts.map((text) => ({ content: [{ type: 'text', text }] })),
  ),
  layout: fc.integer({ min: 0, max: 2 }),
});

function relayed(result: unknown, layout: number): Answer | undefined {
  const message = [
    { jsonrpc: '2.0', id: 7, result },
    { result, jsonrpc: '2.0', id: 7 },
    { jsonrpc: '2.0', result, id: 7 },
  ][layout];
  const bytes = Buffer.from(JSON.stringify(message));
  const place = findResponseId(bytes);
  return place === undefined ? undefined : Answer.relayed(bytes, place);
}

const decoded = (answer: Answer): unknown => JSON.parse(answer.encode('x').toString()) as unknown;

test('an answer as binary text is its bytes, whatever the id', (t) => {
  fc.assert(
    fc.property(responses, fc.oneof(fc.integer(), fc.string({ unit: 'binary' })), ({ result, layout }, id) => {
      const answer = relayed(result, layout);
      const binary = answer?.binary(id);
      if (answer === undefined || binary === undefined) return;
      t.deepEqual(Buffer.from(binary, 'latin1'), answer.encode(id));
    }),
  );
  const list = Answer.written(Buffer.from('{"tools":["é"]}'));
  t.deepEqual(Buffer.from(list.binary(1) ?? '', 'latin1'), list.encode(1));
  t.is(list.binary('é'), undefined);
  t.is(Answer.result({ a: 'b' }).binary(1), '{"jsonrpc":"2.0","id":1,"result":{"a":"b"}}');
  t.is(Answer.result({ a: 'é' }).binary(1), undefined);
});

test('whether a result says that its tool failed is read off its bytes as off the parsed result', (t) => {
  const failing = fc.tuple(responses, fc.constantFrom(true, false, 'true', undefined));
  fc.assert(
    fc.property(failing, fc.boolean(), ([{ result, layout }, isError], escaped) => {
      const said = { ...result, isError };
      const text = JSON.stringify({ jsonrpc: '2.0', id: 7, result: said });
      const bytes = Buffer.from(escaped ? text.replaceAll('"isError"', '"is\\u0045rror"') : text);
      const place = findResponseId(bytes);
      const answers = [Answer.result(said), relayed(said, layout), place && Answer.relayed(bytes, place)];
      for (const answer of answers) if (answer !== undefined) t.is(answer.saysToolError, isError === true);
    }),
  );
  t.false(Answer.error(-32603, 'broken').saysToolError);
});

test('what is added to bytes for the new era is what is added to the parsed answer', (t) => {
  let bytes = 0;
  fc.assert(
    fc.property(responses, ({ result, layout }) => {
      const answer = relayed(result, layout);
      if (answer === undefined) return;
      if (translateBytes(answer, 'new', 'tools/call', serverInfo) !== undefined) bytes += 1;
      const parsed = translateAnswer(
        Answer.parsed({ jsonrpc: '2.0', result }),
        'new',
        'tools/call',
        undefined,
        serverInfo,
      );
      t.deepEqual(decoded(translateAnswer(answer, 'new', 'tools/call', undefined, serverInfo)), decoded(parsed));
    }),
    { numRuns: 500 },
  );
  t.true(bytes > 100, `${bytes} by bytes`);
});

test('what is cut off bytes for the old era is what is taken from the parsed answer', (t) => {
  let bytes = 0;
  fc.assert(
    fc.property(responses, fc.integer({ min: 0, max: 3 }), ({ result, layout }, order) => {
      const { _meta: _m, resultType: _t, ...own } = result as JsonObject;
      const { resultType, _meta } = marks;
      const whole = [
        { ...own, ...marks },
        { ...own, _meta, resultType },
        { ...marks, ...own },
        { resultType, ...own, _meta },
      ][order] as JsonObject;
      const answer = relayed(whole, layout);
      if (answer === undefined) return;
      if (translateBytes(answer, 'old', 'tools/call', serverInfo) !== undefined) bytes += 1;
      const parsed = translateAnswer(
        Answer.parsed({ jsonrpc: '2.0', result: whole }),
        'old',
        'tools/call',
        undefined,
        serverInfo,
      );
      t.deepEqual(decoded(translateAnswer(answer, 'old', 'tools/call', undefined, serverInfo)), decoded(parsed));
    }),
    { numRuns: 500 },
  );
  t.true(bytes > 50, `${bytes} by bytes`);
});

test('lists, errors and questions are not translated as bytes', (t) => {
  const answer = relayed({ content: [], ...marks }, 0) as Answer;
  t.is(translateBytes(answer, 'old', 'tools/list', serverInfo), undefined);
  const question = relayed({ resultType: 'input_required', inputRequests: {}, _meta: marks._meta }, 0) as Answer;
  t.is(translateBytes(question, 'old', 'tools/call', serverInfo), undefined);
  const error: RpcResponse = { jsonrpc: '2.0', error: { code: -32602, message: 'no' } };
  t.is(translateBytes(Answer.parsed(error), 'new', 'tools/call', serverInfo), undefined);
});

test('an answer that nests too deep to be written becomes an error, for whoever waits for it', (t) => {
  const deep = JSON.parse(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`) as JsonObject;
  const answer = Answer.parsed({ jsonrpc: '2.0', id: 7, result: deep });
  for (const text of [answer.encode(3).toString(), answer.binary(3)])
    t.like(JSON.parse(text ?? ''), {
      id: 3,
      error: { code: -32_603, message: 'The answer cannot be written as JSON: Maximum call stack size exceeded' },
    });
});
