// The options of the plugin. What becomes of them is in `index.ts`.
import { z } from 'plugboard';

/** Groups of tools that the options choose from. */
export const toolsets = [
  'repos',
  'issues',
  'pull_requests',
  'actions',
  'releases',
  'labels',
  'notifications',
  'users',
  'search',
] as const;

export type Toolset = (typeof toolsets)[number];

/** Toolsets that GitHub's hosted server has no group of its own for. */
const notHosted: readonly Toolset[] = ['releases', 'search'];

const kibibyte = 1024;
const mebibyte = 1024 * kibibyte;

// Only what a header can carry: the error of a header that cannot be sent would quote it.
const token = z
  .string()
  .regex(/^[\x21-\x7e]{1,4096}$/, 'is no token: it is empty, too long, or has blanks or line breaks in it');

const address = z.string().refine(isAddress, 'write https://HOST/PATH, without credentials, query and fragment');

export const options = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,40}$/)
      .default('github')
      .describe('Name of the server: prefix of its tools, and its path /mcp/NAME'),
    mode: z
      .enum(['api', 'remote'])
      .default('api')
      .describe('api: the tools of this plugin; remote: those of the MCP server that GitHub hosts'),
    url: address.default('https://api.githubcopilot.com/mcp/').describe('remote: address of GitHub’s MCP server'),
    baseUrl: address
      .default('https://api.github.com')
      .describe('api: address of the API; for GitHub Enterprise Server https://HOST/api/v3'),
    token: token
      .optional()
      .describe('Token for every grant that `tokens` does not name; write ${env:NAME} or ${file:PATH}'),
    tokens: z
      .record(z.string().min(1), token)
      .default({})
      .describe('Tokens by grant: an id such as `task:7`, or a pattern with `*`; the most exact one counts'),
    toolsets: z
      .array(z.enum(toolsets))
      .min(1)
      .default([...toolsets])
      .describe('Groups of tools that are offered'),
    readOnly: z.boolean().default(false).describe('Offer only the tools that change nothing'),
    timeout: z
      .int()
      .min(1)
      .max(600_000)
      .default(20_000)
      .describe('api: ms that one request may take before it counts as failed'),
    maxWait: z
      .int()
      .min(1)
      .max(600_000)
      .default(45_000)
      .describe('api: ms after which a call has its answer, with all repeats and waits for rate limits'),
    maxResultBytes: z
      .int()
      .min(4 * kibibyte)
      .max(16 * mebibyte)
      .default(96 * kibibyte)
      .describe('api: largest result of one call, in bytes; what does not fit is cut with a note'),
    maxDownloadBytes: z
      .int()
      .min(64 * kibibyte)
      .max(256 * mebibyte)
      .default(16 * mebibyte)
      .describe('api: bytes that one request reads from GitHub at most'),
  })
  .superRefine(({ mode, toolsets: chosen }, context) => {
    const missing = chosen.length === toolsets.length ? [] : chosen.filter((name) => notHosted.includes(name));
    if (mode !== 'remote' || missing.length === 0) return;
    const message = `GitHub’s hosted server has no group ${missing.join(', ')}: leave it out, or use mode: api`;
    context.addIssue({ code: 'custom', path: ['toolsets'], message });
  });

export type Options = z.output<typeof options>;

function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username !== '' || password !== '' || search !== '' || hash !== '') return false;
  // A token must not cross a network in the clear.
  return protocol === 'https:' || (protocol === 'http:' && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname));
}
