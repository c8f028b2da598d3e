// The options of the plugin after validation, as its parts see them.

export interface Settings {
  readonly name: string;
  readonly userAgent?: string | undefined;
  readonly robots: boolean;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly allowPrivate: readonly string[];
  readonly ports: readonly number[];
  /** Bytes after decompression. */
  readonly maxBytes: number;
  /** ms on the network for one call. */
  readonly timeout: number;
  /** ms of one conversion to Markdown. */
  readonly conversionTimeout: number;
  readonly maxRedirects: number;
}

/** What fails for a reason that the agent can read and act on. */
export class Refusal extends Error {}
