// Tools about releases.
import { z } from 'plugboard';
import * as arg from '../arguments.ts';
import * as form from '../forms.ts';
import { answer, list, one } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';

const releaseId = arg.id.describe('Id of the release, as list_releases shows it');
const writable = {
  target_commitish: arg.ref.optional().describe('Branch or commit to make the tag from, where it is not there yet'),
  name: arg.title.optional().describe('Title of the release'),
  body: arg.text.optional().describe('Notes, in Markdown'),
  draft: z.boolean().optional().describe('Keep it unpublished'),
  prerelease: z.boolean().optional().describe('Mark it as not ready for production'),
  make_latest: z.enum(['true', 'false', 'legacy']).optional().describe('Show it as the latest release (default true)'),
};

const listReleases = tool({
  name: 'list_releases',
  title: 'List releases',
  description: 'List the releases of a repository, newest first, with their notes and files',
  effect: 'reads',
  input: z.object({ ...arg.repository, ...arg.paging }),
  output: form.listOf(shape.release),
  run: async (args, call, output) => {
    const page = arg.pageOf(args);
    const reply = await call.get(arg.within(args)`/releases`, { ...page });
    return list(call, output, { items: reply.data as unknown[], reply, page, hint: 'get_release shows one whole.' });
  },
});

const getRelease = tool({
  name: 'get_release',
  title: 'Get release',
  description: 'Get one release: by its id, by its tag, or, with neither, the latest one',
  effect: 'reads',
  input: z.object({
    ...arg.repository,
    release_id: releaseId.optional(),
    tag: arg.ref.optional().describe('Its tag, e.g. v1.2.0'),
  }),
  output: form.thing(shape.release),
  run: async (args, call, output) => {
    const within = arg.within(args);
    if (args.release_id !== undefined && args.tag !== undefined) throw new Error('give release_id or tag, not both');
    const byId = args.release_id === undefined ? undefined : within`/releases/${args.release_id}`;
    const byTag = args.tag === undefined ? undefined : within`/releases/tags/${args.tag}`;
    return one(call, output, (await call.get(byId ?? byTag ?? within`/releases/latest`)).data);
  },
});

const createRelease = tool({
  name: 'create_release',
  title: 'Create release',
  description:
    'Create a release, and its tag where that is not there. Watchers of the repository are told, unless it is a draft.',
  effect: 'adds',
  input: z.object({
    ...arg.repository,
    tag_name: arg.ref.describe('Tag of the release, e.g. v1.2.0'),
    ...writable,
    generate_release_notes: z.boolean().optional().describe('Let GitHub write name and notes'),
  }),
  output: form.thing(shape.release),
  run: async (args, call, output) => {
    const { data } = await call.send('POST', arg.within(args)`/releases`, arg.without(args, 'owner', 'repo'));
    return one(call, output, data);
  },
});

const updateRelease = tool({
  name: 'update_release',
  title: 'Update release',
  description: 'Change a release, e.g. publish a draft with draft: false. What is given replaces what was there.',
  effect: 'changes',
  input: z.object({
    ...arg.repository,
    release_id: releaseId,
    tag_name: arg.ref.optional().describe('New tag'),
    ...writable,
  }),
  output: form.thing(shape.release),
  run: async (args, call, output) => {
    const body = arg.without(args, 'owner', 'repo', 'release_id');
    const { data } = await call.send('PATCH', arg.within(args)`/releases/${args.release_id}`, body);
    return one(call, output, data);
  },
});

const deleteRelease = tool({
  name: 'delete_release',
  title: 'Delete release',
  description: 'Delete a release with its files; its tag stays. It cannot be got back.',
  effect: 'removes',
  input: z.object({ ...arg.repository, release_id: releaseId }),
  output: form.done,
  run: async (args, call) => {
    await call.send('DELETE', arg.within(args)`/releases/${args.release_id}`);
    const message = `Release ${args.release_id} was deleted; its tag is still there.`;
    return answer({ done: true, message }, message);
  },
});

export const releases = group('releases', listReleases, getRelease, createRelease, updateRelease, deleteRelease);
