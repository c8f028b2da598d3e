// Tools about the notifications of the account that the token belongs to.
import { z } from 'plugboard';
import { at } from '../api/place.ts';
import * as arg from '../arguments.ts';
import * as form from '../forms.ts';
import { answer, list } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';

const owner = arg.repository.owner.optional().describe('Owner, where it is about one repository only');
const repo = arg.repository.repo.optional().describe('Name, where it is about one repository only');

/** Both or none: half a repository would silently mean all of them. */
function placeOf(args: { owner?: string | undefined; repo?: string | undefined }) {
  if (args.owner !== undefined && args.repo !== undefined)
    return arg.within({ owner: args.owner, repo: args.repo })`/notifications`;
  if (args.owner === undefined && args.repo === undefined) return at`/notifications`;
  throw new Error('give both owner and repo, or neither');
}

const listNotifications = tool({
  name: 'list_notifications',
  title: 'List notifications',
  description:
    'List notifications of the account that the token belongs to, newest first: unread ones, unless all is true. Needs a classic token or one with the permission for notifications.',
  effect: 'reads',
  input: z.object({
    owner,
    repo,
    all: z.boolean().optional().describe('Read ones too'),
    participating: z.boolean().optional().describe('Only where the account takes part or is mentioned'),
    since: arg.timestamp.optional().describe('Only those changed at or after this time (ISO 8601)'),
    before: arg.timestamp.optional().describe('Only those changed before this time (ISO 8601)'),
    page: arg.paging.page,
    per_page: z.int().min(1).optional().describe('Results per page (default 30, max 50)'),
  }),
  output: form.listOf(shape.notification),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    page.per_page = Math.min(page.per_page, 50);
    const { all, participating } = args;
    const query = { all, participating, since: arg.timeOf(args.since), before: arg.timeOf(args.before), ...page };
    const reply = await call.get(placeOf(args), query);
    const hint = 'the subject’s own tool shows it whole.';
    return list(call, output, { items: reply.data as unknown[], reply, page, hint });
  },
});

const markRead = tool({
  name: 'mark_notification_read',
  title: 'Mark notification as read',
  description: 'Mark one notification as read, or as done, which takes it off the list',
  effect: 'changes',
  input: z.object({
    thread_id: z
      .string()
      .regex(/^\d{1,20}$/, 'write the id of a notification, as list_notifications shows it')
      .describe('Id of the notification'),
    done: z.boolean().optional().describe('Mark it as done'),
  }),
  output: form.done,
  run: async (args, call) => {
    const method = args.done === true ? 'DELETE' : 'PATCH';
    await call.send(method, at`/notifications/threads/${args.thread_id}`);
    const message = `Notification ${args.thread_id} is marked as ${args.done === true ? 'done' : 'read'}.`;
    return answer({ done: true, message }, message);
  },
});

const markAllRead = tool({
  name: 'mark_all_notifications_read',
  title: 'Mark all notifications as read',
  description: 'Mark all notifications as read, of one repository or of all. It cannot be taken back.',
  effect: 'removes',
  input: z.object({
    owner,
    repo,
    last_read_at: arg.timestamp
      .optional()
      .describe('Only those changed up to this time (ISO 8601): give the time at which they were listed'),
  }),
  output: form.done,
  run: async (args, call) => {
    await call.send('PUT', placeOf(args), arg.given({ last_read_at: arg.timeOf(args.last_read_at) }));
    const message = 'The notifications are marked as read; GitHub may take a moment.';
    return answer({ done: true, message }, message);
  },
});

export const notifications = group('notifications', listNotifications, markRead, markAllRead);
