// The program of a plugin's worker. It takes the port out of `workerData` first: the plugin's own code finds it nowhere.
import { workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';
import { WorkerSide } from './worker-side.ts';

const given = workerData as { port?: MessagePort };
const { port } = given;
delete given.port;
if (port === undefined) throw new Error('this program is started by the proxy only');
new WorkerSide(port).listen();
