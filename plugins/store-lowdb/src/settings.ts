// How the store writes and how much it keeps: the plugin's options as the other files take them. Their texts and defaults are in index.ts.

export interface Settings {
  /** `always`: acknowledged is on the disk; `interval`: on the disk soon; `never`: with the operating system, which decides. */
  readonly fsync: 'always' | 'interval' | 'never';
  /** ms between two syncs; with `interval` only. */
  readonly fsyncInterval: number;
  /** Entries of one namespace. */
  readonly maxEntries: number;
  /** Bytes of all keys and values of one namespace. */
  readonly maxBytes: number;
  /** Bytes of one value as JSON. */
  readonly maxValueBytes: number;
  /** Bytes that a log has at least before it is compacted into the snapshot. */
  readonly compactBytes: number;
}
