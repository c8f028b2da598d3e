// All tools. The order is that in which they are listed.
import { actions } from './actions.ts';
import { checks } from './checks.ts';
import { issues } from './issues.ts';
import { labels } from './labels.ts';
import { notifications } from './notifications.ts';
import { pullRequests } from './pull-requests.ts';
import { releases } from './releases.ts';
import { repos } from './repos.ts';
import { reviews } from './reviews.ts';
import { searches } from './search.ts';
import { users } from './users.ts';
import type { GitHubTool } from '../tool.ts';

export const allTools: readonly GitHubTool[] = [
  ...repos,
  ...issues,
  ...pullRequests,
  ...reviews,
  ...checks,
  ...actions,
  ...releases,
  ...labels,
  ...notifications,
  ...users,
  ...searches,
];
