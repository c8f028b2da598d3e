// Converting a page in a thread of its own, within time and memory: pages are written by anybody.
import { Turns } from 'plugboard';
import { Worker } from 'node:worker_threads';
import type { Article } from './markdown.ts';
import { Refusal } from './settings.ts';

export interface Converted extends Article {
  /** True when only the bare text could be had. */
  readonly bare: boolean;
}

type Message = { bare: string; article?: undefined } | { article: Article };

const megabytes = { maxOldGenerationSizeMb: 384, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };

/** ms until the bare text, which takes a moment, and the start of the thread before. */
const bareLimit = 15_000;

/** Of all tasks together: converting takes a processor each. */
const turns = new Turns(2);

/**
 * Markdown of a page; of one that takes more than `limit` ms or too much memory the bare text. Rejects with a
 * {@link Refusal} when there is not even that, or when `signal` is aborted.
 */
export async function convertPage(html: string, url: string, limit: number, signal: AbortSignal): Promise<Converted> {
  return turns.run(signal, () => inThread(html, url, limit, signal));
}

function inThread(html: string, url: string, limit: number, signal: AbortSignal): Promise<Converted> {
  return new Promise((resolve, reject) => {
    const file = new URL(import.meta.url.endsWith('.ts') ? './page-worker.ts' : './page-worker.js', import.meta.url);
    const worker = new Worker(file, { workerData: { html, url }, resourceLimits: megabytes, env: {}, execArgv: [] });
    let bare: string | undefined;
    let article: Article | undefined;
    const stop = () => void worker.terminate();
    let timer = setTimeout(stop, bareLimit);
    signal.addEventListener('abort', stop);
    worker.on('message', (message: Message) => {
      if (message.article === undefined) {
        bare = message.bare;
        clearTimeout(timer);
        timer = setTimeout(stop, limit);
      } else article = message.article;
    });
    // Too much memory, or a page that the libraries stumble over: the bare text will do.
    worker.on('error', () => {});
    worker.on('exit', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      if (signal.aborted) reject(new Refusal('the call was cancelled'));
      else if (article !== undefined) resolve({ ...article, bare: false });
      else if (bare !== undefined) resolve({ markdown: bare, title: '', bare: true });
      else reject(new Refusal('the page is too complex to be read: call again with raw: true'));
    });
  });
}
