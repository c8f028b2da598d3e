// Pages as agents get them: Markdown and parts, content types and charsets, limits of size and time, hostile pages.
import test from 'ava';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { allowing, open, send, site } from './stand.ts';
import type { Page } from './stand.ts';

const sentence = 'The quick brown fox jumps over the lazy dog, and then it does so again, as foxes do. ';

function article(body: string, head = '<title>Foxes</title>'): string {
  return `<!DOCTYPE html><html><head>${head}</head><body><nav><a href="/away">Navigation</a></nav><article>${body}</article><footer>Imprint</footer></body></html>`;
}

test('a page becomes Markdown: its article, with absolute links, lists, code and tables', async (t) => {
  t.timeout(300_000);
  const body =
    `<h2>Jumping</h2><p>${sentence.repeat(4)}</p><p>${sentence.repeat(4)} See <a href="../more?a=1#b">more</a>, ` +
    '<a href="javascript:alert(1)">never</a> and <img src="fox.png" alt="a fox">.</p><ul><li>one</li><li>two</li></ul>' +
    '<pre><code>let fox = 1;\nfox += 1;</code></pre><script>alert("bad")</script>' +
    '<table><thead><tr><th>Name</th><th>Age</th></tr></thead><tbody><tr><td>Ada</td><td>7 | 8</td></tr></tbody></table>';
  const pages = {
    '/docs/page': send('text/html; charset=utf-8', article(body)),
    '/docs/base': send('text/html', article(body, '<title>B</title><base href="https://example.com/x/y/">')),
    '/small': send('text/html', '<p>Hello <b>world</b><script>bad()</script>'),
    '/xhtml': send('application/xhtml+xml', `<?xml version="1.0"?>${article(`<p>${sentence.repeat(9)}</p>`)}`),
  };
  const local = await site(t, pages);
  const client = await open(t, allowing(local));
  const { text, structured, isError } = await client.fetch(`${local.origin}/docs/page#fragment`);
  t.false(isError, text);
  t.true(text.startsWith(`Contents of ${local.origin}/docs/page#fragment:\n`));
  const markdown = String(structured['content']);
  t.regex(markdown, /^## Jumping$/m);
  t.true(markdown.includes(`[more](${local.origin}/more?a=1#b)`));
  t.true(markdown.includes(`![a fox](${local.origin}/docs/fox.png)`));
  t.regex(markdown, /^-\s+one$/m);
  t.regex(markdown, /```\nlet fox = 1;\nfox \+= 1;\n```/);
  t.true(markdown.includes('| Name | Age |\n| --- | --- |\n| Ada | 7 \\| 8 |'), markdown);
  for (const gone of ['alert', 'javascript:', 'Navigation', 'Imprint']) t.false(markdown.includes(gone), gone);
  t.like(structured, { url: `${local.origin}/docs/page`, status: 200, title: 'Foxes', startIndex: 0, notes: [] });
  t.is(structured['totalLength'], markdown.length);
  const based = await client.fetch(`${local.origin}/docs/base`);
  t.true(based.text.includes('(https://example.com/x/more?a=1#b)'));
  t.is((await client.fetch(`${local.origin}/small`)).structured['content'], 'Hello **world**');
  t.true((await client.fetch(`${local.origin}/xhtml`)).text.includes('quick brown fox'));
  // Exactly what was sent, when that is asked for.
  const raw = await client.fetch(`${local.origin}/docs/page`, { raw: true, max_length: 100_000 });
  t.is(raw.structured['content'], article(body));
  t.true(raw.text.startsWith('Content type text/html; charset=utf-8 cannot be simplified to markdown'));
});

test('long pages come in parts that fit together, even when the page changes in between', async (t) => {
  t.timeout(300_000);
  const long = Array.from({ length: 3000 }, (_, index) => `line ${index} 🦊`).join('\n');
  let version = 0;
  const changing: Page = (_, response) => {
    version += 1;
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end(`${version}${long}`);
  };
  const local = await site(t, { '/long': changing });
  const client = await open(t, allowing(local));
  let whole = '';
  let start = 0;
  for (let parts = 0; parts < 100; parts += 1) {
    const { structured, text } = await client.fetch(`${local.origin}/long`, { start_index: start, max_length: 1001 });
    const content = String(structured['content']);
    t.notThrows(() => encodeURIComponent(content), 'no character is cut in two');
    whole += content;
    if (structured['nextIndex'] === undefined) break;
    start = Number(structured['nextIndex']);
    t.true(text.includes(`Call the fetch tool with a start_index of ${start} to get more content.</error>`));
  }
  t.is(whole, `1${long}`);
  t.is(version, 1);
  const beyond = await client.fetch(`${local.origin}/long`, { start_index: 999_999 });
  t.true(beyond.text.endsWith('<error>No more content available.</error>'));
  t.false(beyond.isError);
  t.is((await client.fetch(`${local.origin}/long`)).text.split('\n')[1], '2line 0 🦊');
  for (const wrong of [{ max_length: 0 }, { max_length: 1_000_000 }, { start_index: -1 }, { raw: 'yes' }])
    t.regex((await client.fetch(`${local.origin}/long`, wrong)).text, /^Invalid arguments/);
});

test('text of all kinds is given as it is; what is no text is refused before it is read', async (t) => {
  t.timeout(300_000);
  const never: Page = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/pdf' }).write('%PDF-1.7');
  };
  const html = '<!doctype html><html><body><p>Hi <b>there</b></p></body></html>';
  const local = await site(t, {
    '/json': send('application/json', '{"a": [1, 2]}'),
    '/ld': send('application/ld+json; charset=utf-8', '{}'),
    '/md': send('text/markdown', '# Hello\n\n<b>as is</b>'),
    '/feed': send(
      'application/rss+xml',
      '<?xml version="1.0" encoding="iso-8859-1"?><rss>\xfc</rss>'.replace('\xfc', 'x'),
    ),
    '/svg': send('image/svg+xml', '<svg/>'),
    '/none': send('', 'just text'),
    '/none-html': send('', html),
    '/plain-html': send('text/plain', html),
    '/image': send('image/png', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0])),
    '/pdf': never,
    '/zip': send('application/zip', 'PK'),
    '/lie': send('text/plain', Buffer.from('abc\0def')),
    '/lie-html': send('text/html', Buffer.from('\x7fELF\0\0')),
  });
  const client = await open(t, { ...allowing(local), robots: false });
  const content = async (path: string) => {
    const { structured, text, isError } = await client.fetch(local.origin + path);
    return isError ? `error: ${text}` : structured['content'];
  };
  t.is(await content('/json'), '{"a": [1, 2]}');
  t.is(await content('/ld'), '{}');
  t.is(await content('/md'), '# Hello\n\n<b>as is</b>');
  t.regex(String(await content('/feed')), /<rss>x<\/rss>/);
  t.is(await content('/svg'), '<svg/>');
  t.is(await content('/none'), 'just text');
  t.is(await content('/none-html'), 'Hi **there**');
  t.is(await content('/plain-html'), 'Hi **there**');
  t.regex(String(await content('/image')), /of the type image\/png and cannot be read as text\. Fetch the page/);
  t.regex(String(await content('/pdf')), /a PDF document and cannot be read as text\. Look for the same text/);
  t.regex(String(await content('/zip')), /of the type application\/zip/);
  t.regex(String(await content('/lie')), /is not text, although it says to be text\/plain/);
  t.regex(String(await content('/lie-html')), /is not text/);
});

test('charsets: by mark, by header, by declaration, and wrong ones', async (t) => {
  t.timeout(300_000);
  const text = 'Grüße, 世界';
  const page = (charset: string) => `<html><head><meta charset="${charset}"></head><body><p>`;
  const local = await site(t, {
    '/utf8': send('text/plain', text),
    '/latin1': send('text/plain; charset=iso-8859-1', Buffer.from('Grüße', 'latin1')),
    '/quoted': send('text/plain; charset="ISO-8859-1"', Buffer.from('Grüße', 'latin1')),
    '/gbk': send('text/plain; charset=gbk', Buffer.from([0xca, 0xc0, 0xbd, 0xe7])),
    '/utf16': send('text/plain', Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')])),
    '/bom': send('text/plain; charset=latin1', `\ufeff${text}`),
    '/meta': send('text/html', Buffer.from(`${page('windows-1252')}Gr\xfc\xdfe`, 'latin1')),
    '/meta-utf16': send('text/html', `${page('utf-16')}${text}`),
    '/unknown': send('text/plain; charset=klingon', text),
    '/broken': send('text/plain; charset=utf-8', Buffer.from([0x61, 0xff, 0x62])),
  });
  const client = await open(t, { ...allowing(local), robots: false });
  const expected = {
    '/utf8': text,
    '/latin1': 'Grüße',
    '/quoted': 'Grüße',
    '/gbk': '世界',
    '/utf16': text,
    '/bom': text,
    '/meta': 'Grüße',
    '/meta-utf16': text,
    '/unknown': text,
    '/broken': 'a\ufffdb',
  };
  for (const [path, content] of Object.entries(expected))
    t.is((await client.fetch(local.origin + path)).structured['content'], content, path);
});

test('compressed pages are read, and bombs only up to the limit', async (t) => {
  t.timeout(300_000);
  const bomb = Buffer.alloc(64 * 1024 * 1024, 'a');
  const encoded = (coding: string, body: Buffer) => send('text/plain', body, { 'content-encoding': coding });
  const endless: Page = (request, response) => {
    response.writeHead(200, { 'content-type': 'text/plain' });
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', more);
    };
    request.on('close', () => response.destroy());
    more();
  };
  const local = await site(t, {
    '/gzip': encoded('gzip', gzipSync('hello gzip')),
    '/br': encoded('br', brotliCompressSync('hello br')),
    '/deflate': encoded('deflate', deflateSync('hello deflate')),
    '/twice': encoded('gzip, br', brotliCompressSync(gzipSync('hello twice'))),
    '/thrice': encoded('gzip, gzip, gzip', gzipSync(gzipSync(gzipSync('x')))),
    '/unknown': encoded('rot13', Buffer.from('x')),
    '/garbage': encoded('gzip', Buffer.from('this is no gzip')),
    '/gzip-bomb': encoded('gzip', gzipSync(bomb)),
    '/br-bomb': encoded('br', brotliCompressSync(bomb)),
    '/nested-bomb': encoded('gzip, gzip', gzipSync(gzipSync(bomb))),
    '/endless': endless,
  });
  const client = await open(t, { ...allowing(local), robots: false, maxBytes: 100_000 });
  for (const coding of ['gzip', 'br', 'deflate', 'twice'])
    t.is((await client.fetch(`${local.origin}/${coding}`)).structured['content'], `hello ${coding}`);
  t.regex((await client.fetch(`${local.origin}/thrice`)).text, /compressed 3 times over/);
  t.regex((await client.fetch(`${local.origin}/unknown`)).text, /not known here: rot13/);
  t.true((await client.fetch(`${local.origin}/garbage`)).isError);
  for (const path of ['gzip-bomb', 'br-bomb', 'nested-bomb', 'endless']) {
    const { structured } = await client.fetch(`${local.origin}/${path}`, { max_length: 10 });
    t.is(structured['totalLength'], 100_000, path);
    t.deepEqual(structured['notes'], ['Only the first 100000 bytes were read (option maxBytes); the rest is missing']);
  }
});

test('a site that does not answer, breaks off or refuses: the error says what to do', async (t) => {
  t.timeout(300_000);
  const local = await site(t, {
    '/hang': () => {},
    '/slow': (_, response) => void response.writeHead(200, { 'content-type': 'text/plain' }).write('a'),
    '/break': (request) => request.socket.destroy(),
    '/busy': (_, response) => void response.writeHead(429, { 'retry-after': '120' }).end(),
    '/login': (_, response) => void response.writeHead(401).end('secret'),
    '/down': (_, response) => void response.writeHead(503).end(),
    '/odd': (_, response) => void response.writeHead(304).end(),
  });
  const client = await open(t, { ...allowing(local), robots: false, timeout: 1000 });
  const errors = {
    '/hang': /took longer than 1000 ms \(option timeout\)/,
    '/slow': /took longer than 1000 ms \(option timeout\)/,
    '/break': /ended by the other side/,
    '/busy': /status code 429: too many requests: try again after 120/,
    '/login': /status code 401: it asks for a login/,
    '/down': /status code 503: .*try again later/,
    '/odd': /status code 304: no page was sent/,
    '/nothing': /status code 404: there is no such page/,
  };
  for (const [path, words] of Object.entries(errors)) {
    const { text, isError } = await client.fetch(local.origin + path);
    t.true(isError, path);
    t.regex(text, words, path);
  }
  const missing = await open(t, { ports: [80] }, () =>
    Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })),
  );
  t.regex((await missing.fetch('http://nowhere.example/')).text, /there is no such host: check its spelling/);
});

test('hostile pages end in bounded time, give what text there is, and hold up nobody', async (t) => {
  t.timeout(300_000);
  const hostile: Record<string, string> = {
    deep: `<html><body>${'<div>'.repeat(700_000)}needle`,
    formatting: `<html><body>${'<b><i><a href=x>'.repeat(200_000)}needle`,
    attributes: `<html><body><p ${Array.from({ length: 300_000 }, (_, index) => `a${index}="x"`).join(' ')}>needle</p>`,
    wideAttribute: `<html><body><p title="${'x'.repeat(4_000_000)}">needle</p>`,
    many: `<html><body>needle${'<p>a</p>'.repeat(500_000)}`,
    open: `<html><body>needle${'<a '.repeat(1_500_000)}`,
    signs: `<html><body>needle ${'< '.repeat(2_000_000)}`,
    comments: `<html><body>needle${'<!--'.repeat(1_000_000)}`,
    entities: `<html><body>needle${'&amp'.repeat(1_000_000)}`,
    tables: `<html><body>needle${'<table><tr><td>'.repeat(200_000)}`,
    scripts: `<html><body>needle${'<script>'.repeat(500_000)}`,
    blanks: `<html><body><p>needle${' \n'.repeat(2_000_000)}</p>`,
  };
  const pages = Object.fromEntries(
    Object.entries(hostile).map(([name, html]) => [`/${name}`, send('text/html', html)]),
  );
  const local = await site(t, { ...pages, '/good': send('text/plain', 'good') });
  const client = await open(t, { ...allowing(local), robots: false, conversionTimeout: 2000, timeout: 60_000 });
  const results = Object.keys(hostile).map(async (name) => {
    const { text, structured, isError } = await client.fetch(`${local.origin}/${name}`, { max_length: 999_999 });
    t.false(isError, name);
    t.true(text.includes('needle'), name);
    return [name, (structured['notes'] as string[]).length];
  });
  const other = await open(t, { ...allowing(local), robots: false });
  let answered = 0;
  const all = Promise.all(results).then((each) => {
    t.true(
      each.some(([, notes]) => notes === 1),
      'some of these pages are too much for a conversion',
    );
    return true;
  });
  while (!(await Promise.race([all, new Promise<false>((resolve) => setTimeout(() => resolve(false), 200))]))) {
    t.is((await other.fetch(`${local.origin}/good`)).structured['content'], 'good');
    answered += 1;
  }
  t.true(answered > 0);
});
