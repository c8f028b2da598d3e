// A process that starts a Kubernetes source, stops it, and then has nothing left to do. Run by kubernetes-source.test.ts.
import { once } from 'node:events';
import { kubernetesSource } from '../src/kubernetes/source.ts';

const [, , kubeconfig, when] = process.argv;
const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const source = kubernetesSource({ kubeconfig }, log);
const sink = {
  put: async () => ({ id: 'a' }),
  remove: async () => {},
  synchronized: async () => {},
};
const started = source.start(sink);
// "hanging": nobody answers the first requests, so the start does not end; the test says when they have been sent.
await (when === 'hanging' ? once(process.stdin, 'data') : started);
process.stdin.destroy();
await source.stop();
await started;
process.stdout.write('stopped\n');
