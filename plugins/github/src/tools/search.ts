// Tools that search all of GitHub.
import { z } from 'plugboard';
import * as arg from '../arguments.ts';
import { at } from '../api/place.ts';
import type { Place } from '../api/place.ts';
import * as form from '../forms.ts';
import { list } from '../result.ts';
import type { Page } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';
import type { Call } from '../tool.ts';

const query = z.string().min(1).max(4096);
const order = z.enum(['asc', 'desc']).optional().describe('Order of the results (default desc)');
const paging = {
  page: z.int().min(1).optional().describe('Page number of the results, from 1'),
  per_page: z.int().min(1).max(100).optional().describe('Results per page (default 30, max 100)'),
};
const more = { total_count: z.number().optional(), incomplete_results: z.boolean().optional() };

interface Found {
  readonly total_count: number;
  readonly incomplete_results: boolean;
  readonly items: unknown[];
}

/** The tools differ in what they search, not in how. */
async function search(
  call: Call,
  output: z.ZodObject,
  place: Place,
  page: Page,
  terms: Readonly<Record<string, string | undefined>>,
) {
  const reply = await call.get(place, { ...terms, ...page });
  const { items, total_count, incomplete_results } = reply.data as Found;
  const hint = 'ask for the one thing itself.';
  return list(call, output, { items, more: { total_count, incomplete_results }, reply, page, hint, whole: true });
}

const searchRepositories = tool({
  name: 'search_repositories',
  title: 'Search repositories',
  description: 'Search for GitHub repositories, best match first, e.g. "topic:mcp language:typescript stars:>100"',
  effect: 'reads',
  input: z.object({
    query: query.describe('Search query (see GitHub search syntax)'),
    page: paging.page,
    perPage: z.int().min(1).optional().describe('Number of results per page (default: 30, max: 100)'),
  }),
  output: form.listOf(shape.repository, more),
  run: ({ query: q, page, perPage }, call, output) =>
    search(call, output, at`/search/repositories`, arg.pageOf({ page, per_page: perPage }), { q }),
});

const searchCode = tool({
  name: 'search_code',
  title: 'Search code',
  description:
    'Search for code across GitHub repositories, e.g. "addClass repo:jquery/jquery language:js". Answers files; get_file_contents reads them.',
  effect: 'reads',
  input: z.object({ q: query.describe('Search query (see GitHub code search syntax)'), order, ...paging }),
  output: form.listOf(
    shape.entry.extend({
      repository: z.object({ full_name: z.string().optional(), html_url: z.string().optional() }).optional(),
    }),
    more,
  ),
  run: ({ q, order, ...page }, call, output) => search(call, output, at`/search/code`, arg.pageOf(page), { q, order }),
});

const issueOrders = [
  'comments',
  'reactions',
  'reactions-+1',
  'reactions--1',
  'reactions-smile',
  'reactions-thinking_face',
  'reactions-heart',
  'reactions-tada',
  'interactions',
  'created',
  'updated',
] as const;

const searchIssues = tool({
  name: 'search_issues',
  title: 'Search issues',
  description:
    'Search for issues and pull requests across GitHub repositories, e.g. "repo:octocat/hello-world is:issue is:open crash"',
  effect: 'reads',
  input: z.object({
    q: query.describe('Search query (see GitHub issue search syntax)'),
    order,
    ...paging,
    sort: z.enum(issueOrders).optional().describe('What to sort by (default: best match)'),
  }),
  output: form.listOf(shape.issue, more),
  run: ({ q, order, sort, ...page }, call, output) =>
    search(call, output, at`/search/issues`, arg.pageOf(page), { q, order, sort }),
});

const searchUsers = tool({
  name: 'search_users',
  title: 'Search users',
  description: 'Search for users on GitHub, e.g. "location:berlin language:go followers:>50"',
  effect: 'reads',
  input: z.object({
    q: query.describe('Search query (see GitHub user search syntax)'),
    order,
    ...paging,
    sort: z.enum(['followers', 'repositories', 'joined']).optional().describe('What to sort by (default: best match)'),
  }),
  output: form.listOf(shape.user, more),
  run: ({ q, order, sort, ...page }, call, output) =>
    search(call, output, at`/search/users`, arg.pageOf(page), { q, order, sort }),
});

export const searches = group('search', searchRepositories, searchCode, searchIssues, searchUsers);
