// One HTTP request whose sender is known. Nothing happens here.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Grant } from 'plugboard';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Name of the one server of the endpoint, or undefined for all. */
  readonly server: string | undefined;
  readonly grant: Grant;
}
