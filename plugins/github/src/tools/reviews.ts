// Tools about reviews of pull requests and the comments in them.
import { z } from 'plugboard';
import * as arg from '../arguments.ts';
import { within } from '../arguments.ts';
import * as form from '../forms.ts';
import { list, one } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';

const pull = { ...arg.repository, pull_number: arg.pullNumber };
const reviewId = arg.id.describe('Id of the review, as get_pull_request_reviews shows it');
const event = z.enum(['APPROVE', 'REQUEST_CHANGES', 'COMMENT']);

const commentText = arg.text.describe('Text of the review comment');
const commentPath = arg.path.min(1).describe('The relative path to the file being commented on');
const comments = z
  .array(
    z.union([
      z.object({
        path: commentPath,
        position: z.int().min(1).describe('The position in the diff where you want to add a review comment'),
        body: commentText,
      }),
      z.object({
        path: commentPath,
        line: z.int().min(1).describe('The line number in the file where you want to add a review comment'),
        side: z.enum(['LEFT', 'RIGHT']).optional().describe('LEFT: the line as it was; RIGHT (default): as it is'),
        start_line: z.int().min(1).optional().describe('First line, for a comment on several'),
        body: commentText,
      }),
    ]),
  )
  .max(100)
  .optional()
  .describe('Comments to post as part of the review (specify either position or line, not both)');
const commitId = arg.ref.optional().describe('The SHA of the commit that needs a review');

const createReview = tool({
  name: 'create_pull_request_review',
  title: 'Create pull request review',
  description:
    'Create a review on a pull request and submit it at once. To collect comments first, use create_pending_pull_request_review.',
  effect: 'adds',
  input: z.object({
    ...pull,
    commit_id: commitId,
    body: arg.text.describe('The body text of the review'),
    event: event.describe('The review action to perform'),
    comments,
  }),
  output: form.thing(shape.review),
  run: async (args, call, output) => {
    const body = arg.without(args, 'owner', 'repo', 'pull_number');
    const { data } = await call.send('POST', within(args)`/pulls/${args.pull_number}/reviews`, body);
    return one(call, output, data);
  },
});

const createPending = tool({
  name: 'create_pending_pull_request_review',
  title: 'Create pending review',
  description:
    'Begin a review that nobody else sees until submit_pull_request_review submits it. There is one pending review per account and pull request.',
  effect: 'adds',
  input: z.object({
    ...pull,
    commit_id: commitId,
    body: arg.text.optional().describe('The body text of the review'),
    comments,
  }),
  output: form.thing(shape.review),
  run: async (args, call, output) => {
    const body = arg.without(args, 'owner', 'repo', 'pull_number');
    const { data } = await call.send('POST', within(args)`/pulls/${args.pull_number}/reviews`, body);
    return one(call, output, data);
  },
});

const submitReview = tool({
  name: 'submit_pull_request_review',
  title: 'Submit pull request review',
  description: 'Submit a pending review',
  effect: 'acts',
  input: z.object({
    ...pull,
    review_id: reviewId,
    event: event.describe('The review action to perform'),
    body: arg.text.optional().describe('The body text of the review; GitHub wants one unless it approves'),
  }),
  output: form.thing(shape.review),
  run: async (args, call, output) => {
    const { event, body } = args;
    const place = within(args)`/pulls/${args.pull_number}/reviews/${args.review_id}/events`;
    return one(call, output, (await call.send('POST', place, arg.given({ event, body }))).data);
  },
});

const deletePending = tool({
  name: 'delete_pending_pull_request_review',
  title: 'Delete pending review',
  description: 'Throw away a pending review with its comments',
  effect: 'removes',
  input: z.object({ ...pull, review_id: reviewId }),
  output: form.thing(shape.review),
  run: async (args, call, output) => {
    const place = within(args)`/pulls/${args.pull_number}/reviews/${args.review_id}`;
    return one(call, output, (await call.send('DELETE', place)).data);
  },
});

const dismissReview = tool({
  name: 'dismiss_pull_request_review',
  title: 'Dismiss pull request review',
  description: 'Take the effect from a submitted review, e.g. from a request for changes that were made',
  effect: 'changes',
  input: z.object({ ...pull, review_id: reviewId, message: arg.text.describe('Why') }),
  output: form.thing(shape.review),
  run: async (args, call, output) => {
    const place = within(args)`/pulls/${args.pull_number}/reviews/${args.review_id}/dismissals`;
    const body = { message: args.message, event: 'DISMISS' };
    return one(call, output, (await call.send('PUT', place, body)).data);
  },
});

const getReviews = tool({
  name: 'get_pull_request_reviews',
  title: 'Get pull request reviews',
  description: 'Get the reviews on a pull request, oldest first; one of your own that is pending is among them',
  effect: 'reads',
  input: z.object({ ...pull, ...arg.paging }),
  output: form.listOf(shape.review),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(within(args)`/pulls/${args.pull_number}/reviews`, { ...page });
    return list(call, output, { items: reply.data as unknown[], reply, page, hint: 'ask for a page of 1.' });
  },
});

const getComments = tool({
  name: 'get_pull_request_comments',
  title: 'Get pull request comments',
  description:
    'Get the review comments on a pull request: those on lines of code. get_issue_comments has those of the conversation.',
  effect: 'reads',
  input: z.object({ ...pull, ...arg.paging }),
  output: form.listOf(shape.reviewComment),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(within(args)`/pulls/${args.pull_number}/comments`, { ...page });
    return list(call, output, { items: reply.data as unknown[], reply, page, hint: 'ask for a page of 1.' });
  },
});

const requestReviewers = tool({
  name: 'request_pull_request_reviewers',
  title: 'Request reviewers',
  description: 'Ask users or teams to review a pull request; they are told',
  effect: 'adds',
  input: z.object({
    ...pull,
    reviewers: arg.names.optional().describe('Logins of users'),
    team_reviewers: arg.names.optional().describe('Slugs of teams'),
  }),
  output: form.thing(shape.pullRequest),
  run: async (args, call, output) => {
    const { reviewers, team_reviewers } = args;
    if (reviewers === undefined && team_reviewers === undefined) throw new Error('give reviewers or team_reviewers');
    const place = within(args)`/pulls/${args.pull_number}/requested_reviewers`;
    return one(call, output, (await call.send('POST', place, arg.given({ reviewers, team_reviewers }))).data);
  },
});

export const reviews = group(
  'pull_requests',
  createReview,
  createPending,
  submitReview,
  deletePending,
  dismissReview,
  getReviews,
  getComments,
  requestReviewers,
);
