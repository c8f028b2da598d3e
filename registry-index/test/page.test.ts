// The page in a real browser: searching, filters, entries, keyboard, and that it asks nobody for anything. Skipped where Chromium is missing.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { buildIndex, indexText } from '../src/build-index.ts';
import { workspaceFolders } from '../src/build.ts';
import { readEntries } from '../src/entry-files.ts';
import { renderPage } from '../src/page.ts';
import { escapeHtml } from '../src/page-entry.ts';

const chromium = '/usr/bin/chromium';
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The parts of playwright-core that are used here. */
interface Browser {
  newPage(options: object): Promise<Page>;
  close(): Promise<void>;
}
interface Page {
  on(
    event: 'console' | 'pageerror' | 'request',
    listener: (what: { url(): string; text(): string; type(): string; message: string }) => void,
  ): void;
  goto(url: string): Promise<unknown>;
  fill(selector: string, text: string): Promise<void>;
  selectOption(selector: string, value: string): Promise<unknown>;
  click(selector: string): Promise<void>;
  evaluate<Result>(script: string): Promise<Result>;
  readonly keyboard: { press(key: string): Promise<void> };
}

function findPlaywright(): { chromium: { launch(options: object): Promise<Browser> } } | undefined {
  try {
    return createRequire(import.meta.url)('playwright-core') as {
      chromium: { launch(options: object): Promise<Browser> };
    };
  } catch {
    return undefined;
  }
}

const playwright = findPlaywright();
const missing = !existsSync(chromium)
  ? `${chromium} is missing`
  : playwright === undefined
    ? 'playwright-core is missing'
    : undefined;
const inBrowser = missing === undefined ? test : test.skip;
if (missing !== undefined) console.log(`page in a browser: skipped, because ${missing}`);

const entries = await readEntries();
const document = await buildIndex(
  { ...entries, plugins: entries.plugins.filter(({ id }) => id === 'memory') },
  { folders: await workspaceFolders() },
);
const total = document.servers.length + 1;

/** Opens the page from a disk; fails the test for anything that the console says or that leaves this machine. */
async function open(t: ExecutionContext, options: object = {}, hash = ''): Promise<Page> {
  const folder = mkdtempSync(path.join(tmpdir(), 'plugboard-page-'));
  writeFileSync(path.join(folder, 'index.html'), renderPage(document));
  writeFileSync(path.join(folder, 'index.json'), indexText(document));
  const browser = await playwright?.chromium.launch({ executablePath: chromium, args: flags });
  t.teardown(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const page = (await browser?.newPage({ viewport: { width: 1280, height: 900 }, ...options })) as Page;
  const file = pathToFileURL(path.join(folder, 'index.html')).href;
  page.on('console', (message) => t.fail(`console: ${message.text()}`));
  page.on('pageerror', (error) => t.fail(`error: ${error.message}`));
  page.on('request', (request) => t.true(request.url().startsWith(file), request.url()));
  await page.goto(file + hash);
  return page;
}

const shown = (page: Page) =>
  page.evaluate<string[]>("[...document.querySelectorAll('.entries > li:not([hidden])')].map((entry) => entry.id)");
const count = (page: Page) => page.evaluate<string>("document.querySelector('.count').textContent");

inBrowser('searching finds names, purposes and tools', async (t) => {
  const page = await open(t);
  t.is((await shown(page)).length, total);
  t.is(await count(page), `${total} entries`);
  await page.fill('input[name=search]', 'PLAYWRIGHT');
  t.deepEqual(await shown(page), ['playwright']);
  t.is(await count(page), '1 entry');
  await page.fill('input[name=search]', 'browser_navigate');
  t.true((await shown(page)).includes('playwright'));
  await page.fill('input[name=search]', 'graph knowledge');
  t.deepEqual((await shown(page)).sort(), ['memory', 'memory-reference']);
  await page.fill('input[name=search]', 'no such thing');
  t.deepEqual(await shown(page), []);
  t.false(await page.evaluate("document.querySelector('.none').hidden"));
});

inBrowser('filters by kind, category and status work together', async (t) => {
  const page = await open(t);
  await page.selectOption('select[name=kind]', 'plugin');
  t.deepEqual(await shown(page), ['memory']);
  await page.selectOption('select[name=kind]', 'mcp-server');
  await page.selectOption('select[name=category]', 'database');
  const databases = document.servers.filter(({ categories }) => categories.includes('database'));
  t.deepEqual(
    (await shown(page)).sort(),
    databases.map(({ id }) => id),
  );
  await page.selectOption('select[name=status]', 'archived');
  t.deepEqual(
    (await shown(page)).sort(),
    databases.filter(({ status }) => status === 'archived').map(({ id }) => id),
  );
});

inBrowser('an entry opens by the keyboard and says how to add it, what it may do, and its tools', async (t) => {
  const page = await open(t);
  await page.keyboard.press('/');
  t.is(await page.evaluate('document.activeElement.name'), 'search');
  await page.fill('input[name=search]', 'brave');
  for (let index = 0; index < 4; index += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const text = await page.evaluate<string>("document.querySelector('details[open]').innerText");
  for (const expected of [
    'plugboard add brave-search',
    '${env:BRAVE_API_KEY}',
    'api.search.brave.com',
    'brave_web_search',
    'Listed by version',
  ])
    t.true(text.includes(expected), expected);
});

inBrowser('an address leads to its entry, and from an archived one to its successor', async (t) => {
  const page = await open(t, {}, '#puppeteer-reference');
  const openIds = () =>
    page.evaluate<string[]>("[...document.querySelectorAll('details[open]')].map((each) => each.parentElement.id)");
  t.deepEqual(await openIds(), ['puppeteer-reference']);
  await page.fill('input[name=search]', 'puppeteer');
  await page.click('a[href="#playwright"]');
  t.deepEqual((await openIds()).sort(), ['playwright', 'puppeteer-reference']);
  t.is(await page.evaluate('document.activeElement.closest("li").id'), 'playwright');
});

for (const [name, options] of Object.entries({
  desktop: {},
  phone: { viewport: { width: 360, height: 740 } },
  dark: { colorScheme: 'dark' },
})) {
  inBrowser(`${name}: nothing is wider than the screen, and text stands out from its ground`, async (t) => {
    const page = await open(t, options, '#github-remote');
    t.true(
      (await page.evaluate<number>('document.documentElement.scrollWidth')) <=
        (await page.evaluate<number>('innerWidth')),
    );
    t.true((await page.evaluate<number>(lowestContrast)) >= 4.5);
  });
}

/** The lowest contrast (WCAG 2) of text to the ground behind it. */
const lowestContrast = `(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let each = element; each !== null; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (!colour.endsWith(', 0)')) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('h1, h2, p, code, span, a, b, dt, dd, label, select')].filter((e) => e.checkVisibility());
  return Math.min(...texts.map((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  }));
})()`;

test('text of an entry cannot become part of the page', (t) => {
  const [server] = document.servers;
  const evil = `<img src=x onerror="alert('1')">&`;
  const html = renderPage({
    ...document,
    servers: [
      {
        ...(server as (typeof document.servers)[number]),
        title: evil,
        tools: [{ name: evil, description: evil }],
        toolsFrom: { kind: 'listing', version: evil },
      },
    ],
  });
  t.false(html.includes('<img'));
  t.true(html.includes(escapeHtml(evil)));
});
