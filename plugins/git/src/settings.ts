// The options of the plugin after validation, as its parts see them.

export interface Settings {
  /** Absolute. */
  readonly root: string;
  /** Absolute paths that are the proxy's own. */
  readonly reserved: readonly string[];
  readonly name: string;
  readonly readOnly: boolean;
  readonly author?: { readonly name: string; readonly email: string } | undefined;
  readonly program: string;
  /** ms for one call. */
  readonly timeout: number;
  /** Bytes that one call gives. */
  readonly maxOutput: number;
}

/** What fails for a reason that the agent can read and act on. */
export class Refusal extends Error {}
