// Sessions that nobody uses, by a clock that the test turns.
import { mock } from 'node:test';
import test from 'ava';
import { Answer } from '../src/index.ts';
import { HandServer, ready, startHost, TestClient, until } from './support.ts';

test('a new-era session is forgotten when nobody uses it; a stream or a call that goes on is use', async (t) => {
  mock.timers.enable({ apis: ['setInterval', 'Date'] });
  t.teardown(() => mock.timers.reset());
  const lists = { 'tools/list': { tools: [{ name: 'work', inputSchema: { type: 'object' } }] } };
  const server = new HandServer({ name: 's', lists });
  server.answer = () => undefined;
  const { host, board } = await startHost([server.plugin]);
  t.teardown(() => host.stop());
  await ready(board);
  const client = (grant: string) => TestClient.new(board, { id: grant, tools: { allow: ['*'], deny: [] } });
  const [listening, calling, resting] = [await client('listening'), await client('calling'), await client('resting')];
  const stream = listening.listen({ toolsListChanged: true });
  const answered = calling.request('tools/call', { name: 's_work', arguments: {} });
  await until(() => server.calls.length > 0);
  const kept = () => [listening, calling, resting].map(({ session }) => board.sessions.has(session.id));
  mock.timers.tick(29 * 60_000);
  t.deepEqual(kept(), [true, true, true]);
  mock.timers.tick(2 * 60_000);
  t.deepEqual(kept(), [true, true, false]);
  mock.timers.tick(60 * 60_000);
  t.deepEqual(kept(), [true, true, false]);
  t.is(stream.answers.length, 0);
  server.calls[0]?.resolve(Answer.result({ content: [] }));
  t.truthy((await answered).response.result);
  stream.leave();
  mock.timers.tick(5 * 60_000);
  t.deepEqual(kept(), [true, true, false], 'they were used until now');
  mock.timers.tick(30 * 60_000);
  t.deepEqual(kept(), [false, false, false]);
});
