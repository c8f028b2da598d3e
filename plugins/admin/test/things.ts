// Routes of a plugin beside the management API, as tests need them, and what every error must look like.
import type { ExecutionContext } from 'ava';
import { Denied, Problem, route, StoreConflict, z } from 'plugboard';
import type { Management, PluginApi, Route } from 'plugboard';
import { stand } from './harness.ts';
import type { Reply, Stand } from './harness.ts';

/** Every error is a problem document of this shape. */
export function isProblem(t: ExecutionContext, reply: Reply, status: number, code: string): void {
  t.is(reply.status, status, reply.text);
  t.is(reply.headers['content-type'], 'application/problem+json');
  t.like(reply.body, { type: `urn:plugboard:problem:${code}`, status, code });
  t.is(typeof reply.body['title'], 'string');
  t.is(typeof reply.body['detail'], 'string');
}

/** Routes of a plugin, and what they were asked to do. */
export class Things {
  made = 0;
  /** Held back until it is called. */
  release: () => void = () => {};
  readonly seen: unknown[] = [];
  aborted = 0;
  takeBack: () => void = () => {};

  readonly apply = ({ services }: PluginApi): void => {
    this.takeBack = services.find<Management>('management')?.add(this.routes()) ?? (() => {});
  };

  routes(): Route[] {
    const body = z.strictObject({
      name: z.string().min(1),
      tags: z.array(z.strictObject({ text: z.string() })).default([]),
    });
    const make = (path: string, operation: string, more: Partial<Route> = {}): Route =>
      route({
        method: 'POST',
        path,
        role: 'operator',
        operation,
        summary: operation,
        body,
        run: (request) => {
          this.made += 1;
          this.seen.push(request);
          return {
            body: { number: this.made, name: request.body.name },
            status: 201,
            version: this.made,
            location: `/things/${this.made}`,
          };
        },
        ...(more as object),
      });
    const fail = (path: string, error: () => unknown): Route =>
      route({
        method: 'POST',
        path: `/things/fail/${path}`,
        role: 'operator',
        operation: `fail${path}`,
        summary: path,
        run: () => {
          this.made += 1;
          throw error();
        },
      });
    return [
      make('/things', 'makeThing'),
      make('/things/large', 'makeLargeThing', {
        run: () => ({ body: { text: 'x'.repeat(100_000) }, version: (this.made += 1) }),
      }),
      make('/things/secret', 'makeSecretThing', { secret: true }),
      make('/things/small', 'makeSmallThing', { maxBody: 100 }),
      make('/things/slow', 'makeSlowThing', {
        run: async ({ signal }) => {
          this.made += 1;
          signal.addEventListener('abort', () => (this.aborted += 1));
          await new Promise<void>((resolve) => (this.release = resolve));
          return { body: { number: this.made } };
        },
      }),
      route({
        method: 'GET',
        path: '/things/:id',
        role: 'viewer',
        operation: 'showThing',
        summary: 'Show a thing',
        params: z.strictObject({ id: z.string().max(100) }),
        query: z.strictObject({ long: z.coerce.boolean().optional() }),
        result: z.strictObject({ id: z.string(), recent: z.boolean() }),
        run: ({ params: { id }, query }) => ({ body: { id, recent: query.long === true }, version: 'v7' }),
      }),
      route({
        method: 'PUT',
        path: '/things/:id',
        role: 'operator',
        operation: 'setThing',
        summary: 'Change a thing',
        params: z.strictObject({ id: z.string() }),
        run: ({ params: { id }, ifMatch }) => {
          if (ifMatch !== undefined && ifMatch !== '7') throw new StoreConflict(id, Number(ifMatch), 7);
          this.made += 1;
          return { version: 8 };
        },
      }),
      fail('Unforeseen', () => new Error('the password is hunter2')),
      fail('Denied', () => new Denied('not today')),
      fail('Teapot', () => new Problem(418, 'teapot', 'I am a teapot.', { status: 200, spout: 'short' })),
      fail('Strange', () => 'a string'),
    ];
  }
}

export async function withThings(
  t: ExecutionContext,
  more: Parameters<typeof stand>[1] = {},
): Promise<{ api: Stand; things: Things }> {
  const things = new Things();
  return { api: await stand(t, { ...more, beside: things.apply }), things };
}
