// Tools about people and organizations.
import { z } from 'plugboard';
import { at } from '../api/place.ts';
import * as arg from '../arguments.ts';
import * as form from '../forms.ts';
import { one } from '../result.ts';
import * as shape from '../shapes.ts';
import { group, tool } from '../tool.ts';

const getMe = tool({
  name: 'get_me',
  title: 'Get own profile',
  description:
    'Get the profile of the account that the configured token belongs to: the one in whose name everything is done',
  effect: 'reads',
  input: z.object({}),
  output: form.thing(shape.user),
  run: async (_args, call, output) => one(call, output, (await call.get(at`/user`)).data),
});

const getUser = tool({
  name: 'get_user',
  title: 'Get user',
  description: 'Get the public profile of a user or organization',
  effect: 'reads',
  input: z.object({ username: arg.name.regex(/^[A-Za-z0-9][\w-]*(?:\[bot\])?$/).describe('Login, e.g. octocat') }),
  output: form.thing(shape.user),
  run: async (args, call, output) => one(call, output, (await call.get(at`/users/${args.username}`)).data),
});

export const users = group('users', getMe, getUser);
