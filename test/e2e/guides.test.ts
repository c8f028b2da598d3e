// The guides docs/tasks.md and docs/plugins.md, taken at their word: their commands are typed as they stand there, one after the other, against a proxy.
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { commandLine } from '@plugboard/test-kit';
import type { ProxyProcess } from '@plugboard/test-kit';
import test from 'ava';
import { parse } from 'yaml';
import { clientFor, folderFor, proxyFor, root } from './support/stand.ts';

interface Ran {
  readonly code: number;
  readonly text: string;
}

/** Fenced blocks of a page: those of a language, each with the file it names. */
async function blocks(page: string, language: string): Promise<{ file: string; text: string }[]> {
  const text = await readFile(path.join(root, 'docs', page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}(?: (\\S+))?\\n(.*?)^\`\`\`$`, 'gms'))].map((match) => ({
    file: match[1] ?? '',
    text: match[2] ?? '',
  }));
}

async function commands(page: string): Promise<string[]> {
  return (await blocks(page, 'sh')).flatMap(({ text }) => text.trim().split('\n'));
}

/** Types a line in the proxy's folder, through a shell as a reader would. */
async function type(line: string, proxy: Pick<ProxyProcess, 'folder'>): Promise<Ran> {
  const { command, args } = commandLine();
  const script = line.replace(/^plugboard /, `'${command}' '${args[0] ?? ''}' `);
  const env = { PATH: process.env['PATH'] ?? '', HOME: proxy.folder };
  return await promisify(execFile)('sh', ['-c', script], { cwd: proxy.folder, env, maxBuffer: 1e8 }).then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      text: error.stdout + error.stderr,
    }),
  );
}

test('docs/tasks.md: a task is applied, changed while an agent works, rendered and deleted', async (t) => {
  const [configuration] = await blocks('tasks.md', 'yaml');
  const [task] = (await blocks('tasks.md', 'yaml')).filter(({ file }) => file === 'task.yaml');
  const folder = await folderFor(t);
  const [first = '', up, ...lines] = await commands('tasks.md');
  t.is((await type(first, { folder })).code, 0);
  t.is(up, 'plugboard up');
  const files = { 'task.yaml': task?.text ?? '' };
  const proxy = await proxyFor(t, parse(configuration?.text ?? '') as never, { folder, files });
  await proxy.ready();
  t.notRegex(proxy.log, /option root/);
  const said = new Map<string, string>();
  let listed: string[] = [];
  for (const line of lines) {
    const { code, text } = await type(line, proxy);
    t.is(code, 0, `${line}\n${text}`);
    said.set(line.split(' ').slice(0, 3).join(' '), text);
    if (!line.includes(' render fix-shop --for kubernetes')) continue;
    const token = (said.get('plugboard task token') ?? '').trim();
    const client = await clientFor(t, 'v2 new', { url: proxy.url, headers: { authorization: `Bearer ${token}` } });
    listed = await client.toolNames();
    t.false([...said.values()].filter((each) => each.trim() !== token).some((each) => each.includes(token)));
  }
  t.true(listed.includes('filesystem_write_file') && listed.includes('memory_read_graph'));
  t.false(listed.includes('memory_delete_entities'));
  t.regex(said.get('plugboard task list') ?? '', /fix-shop.*shop.*rex/);
  t.regex(said.get('plugboard task journal') ?? '', /\+filesystem:write_file -memory:delete_entities reviewed/);
  t.true((await readdir(path.join(proxy.folder, 'agent'))).includes('.mcp.json'));
});

test('docs/plugins.md: the catalogue is searched, a server of it is added and runs, tools are approved', async (t) => {
  const proxy = await proxyFor(t, { plugins: { http: {} } });
  await proxy.ready();
  await writeFile(path.join(proxy.folder, '.npmrc'), '');
  for (const line of await commands('plugins.md')) {
    const { code, text } = await type(line, proxy);
    if (line.startsWith('plugboard approve')) t.true(code === 0 || /has run yet/.test(text), text);
    else t.is(code, 0, `${line}\n${text}`);
    if (line.includes('search database')) t.regex(text, /postgres/);
    if (line.includes('add everything')) t.regex(text, /demo is written into/);
  }
  t.regex(await readFile(proxy.configFile, 'utf8'), /demo/);
});
