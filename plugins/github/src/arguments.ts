// Arguments that many tools take. What a tool takes alone stands with the tool.
import { z } from 'plugboard';
import { at, slashed } from './api/place.ts';
import type { Place, Slashed } from './api/place.ts';
import type { Page } from './result.ts';

const accountName = /^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$/;
const repositoryName = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/;

const mebibyte = 1024 * 1024;

export const repository = {
  owner: z
    .string()
    .regex(accountName, 'write the name of the account alone, e.g. octocat')
    .describe('Repository owner (username or organization)'),
  repo: z
    .string()
    .regex(repositoryName, 'write the name of the repository alone, e.g. hello-world')
    .describe('Repository name'),
};

/** Paging, as most tools spell it. */
export const paging = {
  page: z.int().min(1).optional().describe('Page number of the results, from 1'),
  per_page: z.int().min(1).optional().describe('Results per page (default 30, max 100)'),
};

export const direction = z.enum(['asc', 'desc']).optional().describe('Direction of the order');
export const issueNumber = z.int().min(1).describe('Number of the issue (or of the pull request)');
export const pullNumber = z.int().min(1).describe('Pull request number');
export const id = z.int().min(1);
/** Names of branches, tags and commits. */
export const ref = z.string().min(1).max(1024);
export const name = z.string().min(1).max(256);
export const title = z.string().min(1).max(1024);
/** GitHub takes 65,536 characters; it says so itself. */
export const text = z.string().max(mebibyte);
export const fileText = z.string().max(40 * mebibyte);
export const path = z.string().max(4096);
export const names = z.array(name).max(100);
export const timestamp = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:?\d\d))?$/, 'write a time such as 2026-01-31T12:00:00Z');

/** Where a long text goes on. */
export const offset = z
  .int()
  .min(0)
  .default(0)
  .describe('Where to go on in a long text: next_offset of the answer before (in characters)');

/** A time as GitHub's description wants it. */
export function timeOf(time: string | undefined): string | undefined {
  return time === undefined || time.includes('T') ? time : `${time}T00:00:00Z`;
}

interface Repository {
  readonly owner: string;
  readonly repo: string;
}

/** A place in a repository: `within(args)`/issues/${number}` `. */
export function within({ owner, repo }: Repository) {
  return (parts: TemplateStringsArray, ...values: (string | number | Slashed)[]): Place => {
    const all = Object.assign([`/repos/`, `/`, ...parts], { raw: [] });
    return at(all, owner, repo, ...values);
  };
}

export { slashed };

export function pageOf(args: { page?: number | undefined; per_page?: number | undefined }): Page {
  return { page: args.page ?? 1, per_page: Math.min(args.per_page ?? 30, 100) };
}

/** The members that are there, for a body. */
export function given<Members extends object>(members: Members): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** The arguments without the repository, for a body. */
export function without<Args extends object>(args: Args, ...dropped: (keyof Args)[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(args).filter(([key, value]) => value !== undefined && !dropped.includes(key as keyof Args)),
  );
}
