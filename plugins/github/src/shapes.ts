// What of GitHub's answers agents get to see: GitHub's own names, without what only machines need. Members that GitHub leaves out are left out.
// Deliberately not among them: download_url and temp_clone_token, which carry credentials of private repositories.
import { z } from 'plugboard';

const text = z.string().optional();
const number = z.number().optional();
const flag = z.boolean().optional();

const person = z.object({ login: text, type: text, html_url: text }).optional();
const signature = z.object({ name: text, email: text, date: text }).optional();
const identity = { id: number, url: text, html_url: text };
/** GitHub gives labels as names in some places. */
const labels = z
  .array(
    z.preprocess(
      (value) => (typeof value === 'string' ? { name: value } : value),
      z.object({ name: text, color: text }),
    ),
  )
  .optional();

export const repository = z.object({
  ...identity,
  name: text,
  full_name: text,
  private: flag,
  owner: person,
  description: text,
  fork: flag,
  archived: flag,
  created_at: text,
  updated_at: text,
  pushed_at: text,
  clone_url: text,
  ssh_url: text,
  default_branch: text,
  language: text,
  stargazers_count: number,
  open_issues_count: number,
  topics: z.array(z.string()).optional(),
});

export const fork = repository.extend({ parent: repository.optional(), source: repository.optional() });

export const issue = z.object({
  ...identity,
  number,
  title: text,
  state: text,
  state_reason: text,
  body: text,
  user: person,
  labels,
  assignees: z.array(z.object({ login: text })).optional(),
  milestone: z.object({ number, title: text, state: text, due_on: text }).optional(),
  comments: number,
  locked: flag,
  draft: flag,
  created_at: text,
  updated_at: text,
  closed_at: text,
  author_association: text,
  /** There for pull requests only, which GitHub lists among issues. */
  pull_request: z.object({ url: text, html_url: text, merged_at: text }).optional(),
});

export const comment = z.object({
  ...identity,
  body: text,
  user: person,
  created_at: text,
  updated_at: text,
  author_association: text,
});

const branchOfPull = z
  .object({
    label: text,
    ref: text,
    sha: text,
    user: person,
    repo: z.object({ full_name: text, private: flag, default_branch: text, html_url: text }).optional(),
  })
  .optional();

export const pullRequest = z.object({
  ...identity,
  number,
  title: text,
  state: text,
  body: text,
  user: person,
  labels,
  assignees: z.array(z.object({ login: text })).optional(),
  requested_reviewers: z.array(z.object({ login: text })).optional(),
  requested_teams: z.array(z.object({ slug: text, name: text })).optional(),
  head: branchOfPull,
  base: branchOfPull,
  draft: flag,
  locked: flag,
  merged: flag,
  mergeable: flag,
  mergeable_state: text,
  merge_commit_sha: text,
  merged_by: person,
  comments: number,
  review_comments: number,
  commits: number,
  additions: number,
  deletions: number,
  changed_files: number,
  created_at: text,
  updated_at: text,
  closed_at: text,
  merged_at: text,
});

export const review = z.object({
  id: number,
  html_url: text,
  user: person,
  body: text,
  state: text,
  commit_id: text,
  submitted_at: text,
  author_association: text,
});

export const reviewComment = comment.extend({
  pull_request_review_id: number,
  in_reply_to_id: number,
  path: text,
  position: number,
  line: number,
  start_line: number,
  side: text,
  commit_id: text,
  diff_hunk: text,
});

export const changedFile = z.object({
  sha: text,
  filename: text,
  previous_filename: text,
  status: text,
  additions: number,
  deletions: number,
  changes: number,
  patch: text,
});

export const status = z.object({
  state: text,
  sha: text,
  total_count: number,
  statuses: z
    .array(
      z.object({ context: text, state: text, description: text, target_url: text, created_at: text, updated_at: text }),
    )
    .optional(),
});

export const commit = z.object({
  sha: text,
  url: text,
  html_url: text,
  commit: z
    .object({
      message: text,
      author: signature,
      committer: signature,
      tree: z.object({ sha: text }).optional(),
      comment_count: number,
      verification: z.object({ verified: flag, reason: text }).optional(),
    })
    .optional(),
  author: person,
  committer: person,
  parents: z.array(z.object({ sha: text })).optional(),
});

export const commitInFull = commit.extend({
  stats: z.object({ additions: number, deletions: number, total: number }).optional(),
  files: z.array(changedFile).optional(),
});

export const writtenCommit = z.object({
  sha: text,
  html_url: text,
  message: text,
  author: signature,
  committer: signature,
  tree: z.object({ sha: text }).optional(),
  parents: z.array(z.object({ sha: text })).optional(),
});

export const branch = z.object({ name: text, protected: flag, commit: z.object({ sha: text }).optional() });

export const reference = z.object({
  ref: text,
  url: text,
  object: z.object({ sha: text, type: text }).optional(),
});

export const entry = z.object({
  type: text,
  name: text,
  path: text,
  sha: text,
  size: number,
  html_url: text,
  target: text,
  submodule_git_url: text,
});

export const user = z.object({
  ...identity,
  login: text,
  type: text,
  name: text,
  company: text,
  blog: text,
  location: text,
  email: text,
  bio: text,
  public_repos: number,
  followers: number,
  following: number,
  created_at: text,
  updated_at: text,
});

export const label = z.object({ id: number, name: text, color: text, description: text, default: flag });

export const release = z.object({
  ...identity,
  tag_name: text,
  target_commitish: text,
  name: text,
  body: text,
  draft: flag,
  prerelease: flag,
  author: person,
  created_at: text,
  published_at: text,
  assets: z
    .array(z.object({ id: number, name: text, content_type: text, size: number, download_count: number, state: text }))
    .optional(),
});

export const notification = z.object({
  id: text,
  reason: text,
  unread: flag,
  updated_at: text,
  last_read_at: text,
  subject: z.object({ title: text, type: text, url: text, latest_comment_url: text }).optional(),
  repository: z.object({ full_name: text, private: flag, html_url: text }).optional(),
});
