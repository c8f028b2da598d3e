// The server of mode `api`: which tools it offers, and what a lease of it keeps. Loaded when somebody connects.
import { createRequire } from 'node:module';
import { localServer } from 'plugboard';
import type { LeaseKey, ServerDefinition } from 'plugboard';
import { GitHub } from './api/github.ts';
import { RateLimits } from './api/rate-limits.ts';
import type { Options } from './options.ts';
import { fingerprintOf, Tokens } from './tokens.ts';
import type { Lease } from './tool.ts';
import { allTools } from './tools/index.ts';

export function githubServer(options: Options): ServerDefinition {
  const { name, baseUrl, timeout, maxWait, maxDownloadBytes, maxResultBytes } = options;
  const version = ownVersion();
  const tokens = new Tokens(options.token, options.tokens);
  const limits = new RateLimits();
  const settings = { baseUrl, userAgent: `plugboard-github/${version}`, timeout, maxWait, maxDownloadBytes };
  return localServer<Lease>({
    name,
    title: 'GitHub',
    version,
    isolation: 'task',
    tools: offered(options),
    open: (key) => {
      const token = tokens.of(grantOf(key));
      return { github: new GitHub(settings, token, fingerprintOf(token), limits), maxResultBytes };
    },
  });
}

function offered({ toolsets, readOnly }: Options) {
  return allTools
    .filter(({ toolset }) => toolsets.includes(toolset))
    .map(({ tool }) => tool)
    .filter((tool) => !readOnly || tool.annotations?.['readOnlyHint'] === true);
}

function grantOf(key: LeaseKey): string {
  if (key.grant === undefined) throw new Error('a token belongs to a grant; this lease names none');
  return key.grant;
}

function ownVersion(): string {
  const manifest = createRequire(import.meta.url)('@plugboard/github/package.json') as { version: string };
  return manifest.version;
}
