// What GitHub's published examples lack by GitHub's own description. Everything else about them stays as published.

type Json = Record<string, unknown>;

const discussions = (repository: Json) => ({ ...repository, has_discussions: false });

const language = (repository: Json) => ({ ...repository, language: null });

const teamType = (pull: Json) => ({
  ...pull,
  requested_teams: (pull['requested_teams'] as Json[]).map((team) => ({ ...team, type: 'organization' })),
});

/** By operation; each is given the example and returns it whole. */
const repairs: Readonly<Record<string, (example: never) => unknown>> = {
  'repos/create-for-authenticated-user': discussions,
  'repos/create-fork': discussions,
  'repos/get': (repository: Json) => ({
    ...language(repository),
    parent: language(repository['parent'] as Json),
    source: language(repository['source'] as Json),
  }),
  'repos/list-branches': (branches: Json[]) =>
    branches.map((branch) => ({
      ...branch,
      protection: { required_status_checks: { contexts: [], checks: [] } },
    })),
  'repos/get-commit': (commit: Json) => ({
    ...commit,
    files: (commit['files'] as Json[]).map((file) => ({
      sha: 'bbcd538c8e72b8c175046e27cc8f907076331401',
      contents_url: 'https://api.github.com/repos/octocat/Hello-World/contents/file1.txt',
      ...file,
    })),
  }),
  'pulls/get': teamType,
  'pulls/create': teamType,
  'pulls/request-reviewers': teamType,
  'pulls/list': (pulls: Json[]) => pulls.map(teamType),
  'actions/list-jobs-for-workflow-run': (list: Json) => ({
    ...list,
    jobs: (list['jobs'] as Json[]).map((job) => ({ created_at: '2020-01-20T17:42:39Z', ...job })),
  }),
  'actions/re-run-workflow': () => ({}),
  'actions/re-run-workflow-failed-jobs': () => ({}),
  'actions/cancel-workflow-run': () => ({}),
};

export function repaired(operation: string, example: unknown): unknown {
  return repairs[operation]?.(example as never) ?? example;
}
