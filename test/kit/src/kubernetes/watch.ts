// A watch: changes of one resource as lines of JSON, for as long as the client or its time limit wants.
import type { ServerResponse } from 'node:http';
import { ApiError } from './api-error.ts';
import { groupVersion } from './kube-object.ts';
import type { KubeObject, Resource } from './kube-object.ts';
import { nameOf } from './object-store.ts';
import type { Change, ObjectStore } from './object-store.ts';
import { selection } from './selection.ts';
import { tableOf } from './table.ts';

const bookmarkInterval = 1000;

export interface WatchRequest {
  readonly resource: Resource;
  readonly namespace: string | undefined;
  readonly query: URLSearchParams;
  /** True: each event carries a Table with one row. */
  readonly asTable: boolean;
}

/** Serves a watch on the response; returns when it has begun. */
export function serveWatch(
  store: ObjectStore,
  { resource, namespace, query, asTable }: WatchRequest,
  response: ServerResponse,
): void {
  const selected = selection(query);
  const wanted = (change: Change) =>
    change.resource === nameOf(resource) && (namespace === undefined || change.object.metadata.namespace === namespace);
  const send = (type: string, object: object) => response.write(`${JSON.stringify({ type, object })}\n`);
  const show = (object: KubeObject) => (asTable ? tableOf(resource, [object], String(store.revision), false) : object);
  response.writeHead(200, { 'content-type': 'application/json' });

  const from = query.get('resourceVersion') ?? '';
  const pass = (change: Change) => {
    const { type, object, before } = change;
    if (!wanted(change)) return;
    const was = before !== undefined && selected(before);
    const is = type !== 'DELETED' && selected(object);
    // An object that a selector no longer fits is gone for this watch.
    if (is) send(was ? 'MODIFIED' : 'ADDED', show(object));
    else if (was) send('DELETED', show(object));
  };
  if (from === '' || from === '0') {
    for (const object of store.list(resource, namespace).filter(selected)) send('ADDED', show(object));
  } else {
    const missed = store.since(Number(from));
    if (missed === undefined) {
      send('ERROR', new ApiError('Expired', `too old resource version: ${from} (${store.revision})`).toStatus());
      response.end();
      return;
    }
    for (const change of missed) pass(change);
  }
  follow(store, resource, query, response, pass, send);
}

function follow(
  store: ObjectStore,
  resource: Resource,
  query: URLSearchParams,
  response: ServerResponse,
  pass: (change: Change) => void,
  send: (type: string, object: object) => void,
): void {
  const off = store.onChange(pass);
  const bookmark = () =>
    send('BOOKMARK', {
      kind: resource.kind,
      apiVersion: groupVersion(resource),
      metadata: { resourceVersion: String(store.revision) },
    });
  const bookmarks = query.get('allowWatchBookmarks') === 'true' ? setInterval(bookmark, bookmarkInterval) : undefined;
  const limit = Number(query.get('timeoutSeconds') ?? 0);
  const end = limit > 0 ? setTimeout(() => response.end(), limit * 1000) : undefined;
  response.on('close', () => {
    off();
    clearInterval(bookmarks);
    clearTimeout(end);
  });
}
