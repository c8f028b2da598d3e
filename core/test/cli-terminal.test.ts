// The command line on a terminal: its colours, its width, its line of progress, and nothing there that servers wrote to move it.
import test from 'ava';
import { stripVTControlCharacters } from 'node:util';
import { exitCodes } from '../src/cli/exit-codes.ts';
import { core, fakeProxy, folder, listening, onTerminal, plugboard, running } from './cli-support.ts';

test('colours appear on a terminal, and not when they are unwanted', async (t) => {
  const { proxy, cwd } = await running(t);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  t.regex((await onTerminal(['tools'], { cwd })).stdout, /\u001b\[1mtool/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  t.notRegex((await onTerminal(['tools'], { cwd, env: { NO_COLOR: '1' } })).stdout, /\u001b\[\d+m/);
  t.is(await proxy.stop(), exitCodes.ok);
});

test('what a server writes neither moves the cursor, nor colours, nor turns the text on a terminal', async (t) => {
  const evil = '\u001b[1A\u001b[2K\u001b[31m\u009b32m\u202e\u0007\u001b]0;title\u0007';
  const answer = fakeProxy(
    (stream) => {
      const say = (message: object) => stream.write(`data: ${JSON.stringify({ jsonrpc: '2.0', ...message })}\n\n`);
      const params = { progressToken: 'call', progress: 1, message: `under ${evil} way` };
      say({ method: 'notifications/progress', params });
      say({ method: 'notifications/message', params: { level: 'info', data: `said ${evil}` } });
      say({ id: 3, result: { content: [{ type: 'text', text: `answer\n${evil} second line` }] } });
      stream.end();
    },
    { name: `work`, description: `Works${evil} well.` },
  );
  const port = await listening(t, answer);
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }' });
  const isClean = (text: string) => {
    // Colours of our own may be there.
    const rest = text.replaceAll(/\u001b\[(?:1|22|2|31|32|39)m/g, (code) =>
      text.includes(`Works${code}`) ? code : '',
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    t.notRegex(rest, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e]/);
  };
  const tools = await onTerminal(['tools', '--port', port], { cwd });
  t.regex(tools.stdout, /Works.* well\./);
  isClean(tools.stdout);
  const call = await onTerminal(['call', 'work', '--port', port], { cwd });
  t.is(call.code, exitCodes.ok, call.stdout);
  t.regex(call.stdout, /under .* way[^]*said [^]*answer\r?\n.* second line/);
  isClean(call.stdout);
  // Who pipes an answer gets it as it is.
  const piped = await plugboard(['call', 'work', '--port', port], { cwd });
  t.is(piped.stdout, `answer\n${evil} second line\n`);
  isClean(piped.stderr);
});

test('a table keeps to the width of the terminal, and breaks lines between words', async (t) => {
  const description = 'Words '.repeat(15).trim();
  const port = await listening(
    t,
    fakeProxy(() => {}, { name: 'a_tool_with_a_name', description }),
  );
  const cwd = await folder(t, { 'plugboard.yaml': 'plugins: { http: {} }' });
  const { stdout } = await onTerminal(['tools', '--port', port], { cwd });
  const lines = stripVTControlCharacters(stdout).split(/\r?\n/);
  t.true(
    lines.every((line) => line.length <= 80),
    stdout,
  );
  t.regex(stripVTControlCharacters(stdout), /a_tool_with_a_name {2}(?:Words ){9}Words\r?\n {20}(?:Words ?){5}\r?\n/);
  // Elsewhere nobody minds.
  const piped = await plugboard(['tools', '--port', port], { cwd });
  t.true(piped.stdout.includes(`a_tool_with_a_name  ${description}\n`));
});

/** Logs while a server that never comes up is awaited, then ends the proxy. */
const chatty = `
import { definePlugin } from '${core}';
export default definePlugin({ id: 'chatty', apiVersion: 1, apply({ log }) {
  for (const ms of [300, 600, 900]) setTimeout(() => log.info('a line at ' + ms), ms);
  setTimeout(() => process.kill(process.pid, 'SIGINT'), 1200);
} });
`;

test('the line of progress gives way to the log, and is not drawn where colours are unwanted', async (t) => {
  const cwd = await folder(t, {
    'plugboard.yaml': [
      'plugins: { ./chatty.js: {} }',
      `mcpServers: { mute: { command: "${process.execPath}", args: ["-e", "process.stdin.resume()"] } }`,
    ].join('\n'),
    'chatty.js': chatty,
  });
  const watched = (await onTerminal(['up'], { cwd })).stdout;
  t.regex(watched, /starting mute/);
  t.is(watched.match(/a line at/g)?.length, 3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what erases a line
  t.notRegex(watched, /starting mute(?:(?!\u001b\[K)[^\n])*a line at/);
  const plain = (await onTerminal(['up'], { cwd, env: { NO_COLOR: '1' } })).stdout;
  t.is(plain.match(/a line at/g)?.length, 3);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what erases a line
  t.notRegex(plain, /starting mute|\u001b/);
});
