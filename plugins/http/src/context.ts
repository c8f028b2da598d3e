// What all parts of the transport work with. Nothing happens here.
import type { BoardApi, Log } from 'plugboard';
import type { Clock } from './clock.ts';
import type { Options } from './options.ts';
import type { Responder } from './responder.ts';

export interface Context {
  readonly board: BoardApi;
  readonly options: Options;
  readonly responder: Responder;
  readonly clock: Clock;
  readonly log: Log;
}
