// What all parts of the transport towards clients work with. Nothing happens here.
import type { BoardApi, Log } from 'plugboard';
import type { Options } from '../options.ts';

export interface Context {
  readonly board: BoardApi;
  readonly log: Log;
  readonly options: Options;
}
