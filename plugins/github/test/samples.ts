// For every tool: arguments that it takes, and the operations of GitHub that it must carry out with them. No expectations of results live here.
import type { JsonObject } from 'plugboard';

export interface Sample {
  readonly tool: string;
  readonly args: JsonObject;
  /** In their order. */
  readonly operations: readonly string[];
}

const repo = { owner: 'octocat', repo: 'Hello-World' };
const pull = { ...repo, pull_number: 1347 };
const issue = { ...repo, issue_number: 1347 };
const page = { page: 2, per_page: 5 };

function sample(tool: string, args: JsonObject, ...operations: string[]): Sample {
  return { tool, args, operations };
}

export const samples: readonly Sample[] = [
  sample(
    'create_or_update_file',
    { ...repo, path: 'docs/a b.md', content: 'Grüße\n', message: 'say hello', branch: 'main' },
    'repos/get-content',
    'repos/create-or-update-file-contents',
  ),
  sample('get_file_contents', { ...repo, path: 'README.md', branch: 'main' }, 'repos/get-content'),
  sample(
    'push_files',
    { ...repo, branch: 'topic/one', files: [{ path: 'a.txt', content: 'a' }], message: 'add a' },
    'git/get-ref',
    'git/create-tree',
    'git/create-commit',
    'git/update-ref',
  ),
  sample(
    'create_repository',
    { name: 'new', description: 'a new one', private: true, autoInit: true },
    'repos/create-for-authenticated-user',
  ),
  sample('fork_repository', { ...repo, organization: 'octo-org' }, 'repos/create-fork'),
  sample('create_branch', { ...repo, branch: 'topic' }, 'repos/get', 'git/get-ref', 'git/create-ref'),
  sample('create_branch', { ...repo, branch: 'topic', from_branch: 'topic/base' }, 'git/get-ref', 'git/create-ref'),
  sample('list_branches', { ...repo, ...page }, 'repos/list-branches'),
  sample(
    'list_commits',
    {
      ...repo,
      sha: 'main',
      page: 2,
      perPage: 5,
      path: 'src',
      author: 'octocat',
      since: '2026-01-01',
      until: '2026-02-01T00:00:00Z',
    },
    'repos/list-commits',
  ),
  sample('get_commit', { ...repo, sha: 'topic/one', page: 1, perPage: 5 }, 'repos/get-commit'),
  sample(
    'create_issue',
    { ...repo, title: 'Found a bug', body: 'Broken', assignees: ['octocat'], milestone: 1, labels: ['bug'] },
    'issues/create',
  ),
  sample(
    'list_issues',
    {
      ...repo,
      direction: 'asc',
      labels: ['bug', 'ui'],
      ...page,
      since: '2026-01-01T00:00:00Z',
      sort: 'updated',
      state: 'all',
    },
    'issues/list-for-repo',
  ),
  sample(
    'update_issue',
    { ...issue, title: 'Found it', body: 'Fixed', assignees: [], milestone: 1, labels: ['bug'], state: 'closed' },
    'issues/update',
  ),
  sample('add_issue_comment', { ...issue, body: 'Me too' }, 'issues/create-comment'),
  sample('get_issue', issue, 'issues/get'),
  sample('get_issue_comments', { ...issue, since: '2026-01-01', ...page }, 'issues/list-comments'),
  sample(
    'create_pull_request',
    {
      ...repo,
      title: 'New feature',
      body: 'Please',
      head: 'octocat:topic',
      base: 'main',
      draft: true,
      maintainer_can_modify: true,
    },
    'pulls/create',
  ),
  sample('get_pull_request', pull, 'pulls/get'),
  sample(
    'list_pull_requests',
    { ...repo, state: 'all', head: 'octocat:topic', base: 'main', sort: 'long-running', direction: 'desc', ...page },
    'pulls/list',
  ),
  sample(
    'merge_pull_request',
    { ...pull, commit_title: 'Merge it', commit_message: 'at last', merge_method: 'squash', sha: '6dcb09b5b57875f3' },
    'pulls/merge',
  ),
  sample('get_pull_request_files', { ...pull, ...page }, 'pulls/list-files'),
  sample('get_pull_request_diff', pull, 'pulls/get'),
  sample('get_pull_request_status', pull, 'pulls/get', 'repos/get-combined-status-for-ref'),
  sample('update_pull_request_branch', { ...pull, expected_head_sha: '6dcb09b5b57875f3' }, 'pulls/update-branch'),
  sample(
    'create_pull_request_review',
    {
      ...pull,
      commit_id: 'ecdd80bb57125d7b',
      body: 'Nearly',
      event: 'REQUEST_CHANGES',
      comments: [
        { path: 'file.md', position: 6, body: 'more emphasis' },
        { path: 'file.md', line: 7, side: 'RIGHT', start_line: 5, body: 'less' },
      ],
    },
    'pulls/create-review',
  ),
  sample('create_pending_pull_request_review', { ...pull, body: 'To be continued' }, 'pulls/create-review'),
  sample(
    'submit_pull_request_review',
    { ...pull, review_id: 80, event: 'APPROVE', body: 'Good' },
    'pulls/submit-review',
  ),
  sample('delete_pending_pull_request_review', { ...pull, review_id: 80 }, 'pulls/delete-pending-review'),
  sample('dismiss_pull_request_review', { ...pull, review_id: 80, message: 'done' }, 'pulls/dismiss-review'),
  sample('get_pull_request_reviews', { ...pull, ...page }, 'pulls/list-reviews'),
  sample('get_pull_request_comments', { ...pull, ...page }, 'pulls/list-review-comments'),
  sample(
    'request_pull_request_reviewers',
    { ...pull, reviewers: ['octocat'], team_reviewers: ['justice-league'] },
    'pulls/request-reviewers',
  ),
  sample(
    'list_check_runs',
    { ...repo, ref: 'topic/one', check_name: 'build', status: 'completed', ...page },
    'checks/list-for-ref',
  ),
  sample('get_check_run', { ...repo, check_run_id: 4, ...page }, 'checks/get', 'checks/list-annotations'),
  sample('list_workflows', { ...repo, ...page }, 'actions/list-repo-workflows'),
  sample(
    'list_workflow_runs',
    { ...repo, actor: 'octocat', branch: 'main', event: 'push', status: 'failure', head_sha: 'acb5820c', ...page },
    'actions/list-workflow-runs-for-repo',
  ),
  sample('list_workflow_runs', { ...repo, workflow_id: 'ci.yml' }, 'actions/list-workflow-runs'),
  sample('get_workflow_run', { ...repo, run_id: 30433642 }, 'actions/get-workflow-run'),
  sample(
    'list_workflow_jobs',
    { ...repo, run_id: 30433642, filter: 'all', ...page },
    'actions/list-jobs-for-workflow-run',
  ),
  sample('get_job_logs', { ...repo, job_id: 399444496 }, 'actions/download-job-logs-for-workflow-run'),
  sample('rerun_workflow_run', { ...repo, run_id: 30433642 }, 'actions/re-run-workflow'),
  sample('rerun_workflow_run', { ...repo, run_id: 30433642, failed_only: true }, 'actions/re-run-workflow-failed-jobs'),
  sample('cancel_workflow_run', { ...repo, run_id: 30433642 }, 'actions/cancel-workflow-run'),
  sample(
    'run_workflow',
    { ...repo, workflow_id: '161335', ref: 'main', inputs: { level: 'debug' } },
    'actions/create-workflow-dispatch',
  ),
  sample('list_releases', { ...repo, ...page }, 'repos/list-releases'),
  sample('get_release', repo, 'repos/get-latest-release'),
  sample('get_release', { ...repo, release_id: 1 }, 'repos/get-release'),
  sample('get_release', { ...repo, tag: 'v1/0 beta' }, 'repos/get-release-by-tag'),
  sample(
    'create_release',
    {
      ...repo,
      tag_name: 'v1',
      target_commitish: 'main',
      name: 'One',
      body: 'First',
      draft: true,
      prerelease: true,
      make_latest: 'false',
      generate_release_notes: true,
    },
    'repos/create-release',
  ),
  sample('update_release', { ...repo, release_id: 1, draft: false, tag_name: 'v1' }, 'repos/update-release'),
  sample('delete_release', { ...repo, release_id: 1 }, 'repos/delete-release'),
  sample('list_labels', { ...repo, ...page }, 'issues/list-labels-for-repo'),
  sample('list_labels', issue, 'issues/list-labels-on-issue'),
  sample('create_label', { ...repo, name: 'bug', color: 'f29513', description: 'Broken' }, 'issues/create-label'),
  sample(
    'update_label',
    { ...repo, name: 'good first issue', new_name: 'bug/ui', color: 'f29513' },
    'issues/update-label',
  ),
  sample('delete_label', { ...repo, name: 'area/ui ?#%' }, 'issues/delete-label'),
  sample('add_issue_labels', { ...issue, labels: ['bug'] }, 'issues/add-labels'),
  sample('remove_issue_label', { ...issue, name: 'bug' }, 'issues/remove-label'),
  sample(
    'list_notifications',
    { all: true, participating: false, since: '2026-01-01', before: '2026-02-01', ...page },
    'activity/list-notifications-for-authenticated-user',
  ),
  sample('list_notifications', repo, 'activity/list-repo-notifications-for-authenticated-user'),
  sample('mark_notification_read', { thread_id: '1' }, 'activity/mark-thread-as-read'),
  sample('mark_notification_read', { thread_id: '1', done: true }, 'activity/mark-thread-as-done'),
  sample('mark_all_notifications_read', { last_read_at: '2026-01-01' }, 'activity/mark-notifications-as-read'),
  sample('mark_all_notifications_read', repo, 'activity/mark-repo-notifications-as-read'),
  sample('get_me', {}, 'users/get-authenticated'),
  sample('get_user', { username: 'octocat' }, 'users/get-by-username'),
  sample('search_repositories', { query: 'tetris language:assembly', page: 1, perPage: 5 }, 'search/repos'),
  sample('search_code', { q: 'addClass repo:jquery/jquery', order: 'desc', ...page }, 'search/code'),
  sample(
    'search_issues',
    { q: 'c++ is:issue', order: 'asc', ...page, sort: 'reactions-+1' },
    'search/issues-and-pull-requests',
  ),
  sample('search_users', { q: 'tom', order: 'asc', ...page, sort: 'joined' }, 'search/users'),
];
