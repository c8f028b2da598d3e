// Answers of the real GitHub, as the package @octokit/fixtures recorded them.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Answer } from './local-github.ts';

interface Recording {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly response: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

const folder = createRequire(import.meta.url)
  .resolve('@octokit/fixtures/package.json')
  .replace('package.json', 'scenarios');

/** Headers that mean something; the others describe a transfer that is over. */
const telling = ['link', 'location', 'x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset'];

/** A scenario's answers, in their order. `base`: what its links lead to instead of GitHub. */
export function recording(scenario: string, base = 'https://api.github.com'): Answer[] {
  const text = readFileSync(`${folder}/api.github.com/${scenario}/normalized-fixture.json`, 'utf8');
  const recorded = JSON.parse(text.replaceAll('https://api.github.com', base)) as Recording[];
  return recorded.map(({ status, response, headers }) => ({
    status,
    json: response === '' ? undefined : response,
    headers: Object.fromEntries(
      telling.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
    ),
  }));
}
