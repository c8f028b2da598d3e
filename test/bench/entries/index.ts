// The entries of the bench by name, each with what a proxy must be able to do for it.
import type { Bench } from '../bench.ts';
import type { Proxy } from '../targets/proxy.ts';
import { measureBlob } from './blob.ts';
import { measureHttp } from './http.ts';
import { measureInstalled } from './installed.ts';
import { measureLatency } from './latency.ts';
import { measureList } from './list.ts';
import { measurePlugins } from './plugins.ts';
import { measureSessions } from './sessions.ts';
import { measureStart } from './start.ts';
import { measureStdio } from './stdio.ts';
import { measureTasks } from './tasks.ts';
import { measureWebSocket } from './websocket.ts';

/** `measure` reports findings and raw data to the bench. */
export interface Entry {
  name: string;
  about: string;
  needs?: Proxy['features'][number];
  measure(bench: Bench): Promise<void>;
}

export const entries: readonly Entry[] = [
  { name: 'http', about: 'tools/call, HTTP to HTTP upstreams', measure: measureHttp },
  { name: 'stdio', about: 'tools/call, HTTP to stdio upstreams', needs: 'stdio', measure: measureStdio },
  { name: 'latency', about: 'added p50 at concurrency 1', measure: measureLatency },
  { name: 'blob', about: 'answers of 64 KiB', measure: measureBlob },
  { name: 'plugins', about: 'ten no-op plugins', needs: 'plugins', measure: measurePlugins },
  { name: 'list', about: 'a cached tools/list of 1,000 tools', measure: measureList },
  { name: 'sessions', about: 'memory of idle sessions', measure: measureSessions },
  {
    name: 'websocket',
    about: 'tools/call over WebSocket against HTTP',
    needs: 'plugins',
    measure: measureWebSocket,
  },
  { name: 'tasks', about: 'a thousand tasks with toolsets of their own', needs: 'start', measure: measureTasks },
  { name: 'installed', about: 'what plugins cost a start; searching', needs: 'start', measure: measureInstalled },
  { name: 'start', about: 'from process start to the first list', needs: 'start', measure: measureStart },
];
