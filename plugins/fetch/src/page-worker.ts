// The thread that converts one page and ends. First it says the bare text, in case that the rest takes too long.
import { parentPort as port, workerData } from 'node:worker_threads';
import { bareText } from './bare-text.ts';

const { html, url } = workerData as { html: string; url: string };
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node has no origins
port?.postMessage({ bare: bareText(html) });
const { toMarkdown } = await import('./markdown.ts');
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- as above
port?.postMessage({ article: toMarkdown(html, url) });
