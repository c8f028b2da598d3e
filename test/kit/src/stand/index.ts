// What a plugin's own tests stand on, without a proxy: a board for transports, leases of registered servers. No expectations live here.
export { FakeBoard, grantNamed, serverStatus } from './fake-board.ts';
export type { HandledRequest } from './fake-board.ts';
export { errorText, outcomeOf, structured } from './outcome.ts';
export type { Outcome } from './outcome.ts';
export { recordedLog } from './recorded-log.ts';
export type { LogLine } from './recorded-log.ts';
export { answerOf, leaseKey, registered, registeredServer, ServerLease } from './server-lease.ts';
export { until } from '../until.ts';
