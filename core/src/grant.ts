// A grant: what a credential stands for, and the rules it carries. Matching of selectors lives in `selectors.ts`.

/** Patterns `server:tool` with globs. Deny beats allow; nothing is allowed that no pattern allows. */
export interface Rules {
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/**
 * What a credential stands for: a named caller, a task, or everybody without a credential. The same grant object is handed to all
 * sessions of that credential; whoever owns it may replace its rules and then calls `board.grantChanged(grant)`.
 */
export interface Grant {
  /** Unique and stable over restarts: `default`, `grant:alice`, `task:7`. Safe to log; state is keyed by it. */
  readonly id: string;
  readonly tools: Rules;
  /** Bounds: a tool is callable only when `tools` and every one of these let it through. */
  readonly within?: readonly Rules[] | undefined;
  /** Rules for resource URIs and prompt names (`server:uri`, `server:prompt`). Undefined: those of the servers whose tools are allowed whole. */
  readonly resources?: Rules | undefined;
  readonly prompts?: Rules | undefined;
  /** Folder (absolute) that servers which work on files take as this grant's root, instead of their own. */
  readonly workspace?: string | undefined;
  /** Free for the plugin that made the grant, e.g. the task record. Never sent to a client. */
  readonly data?: unknown;
}

/** What a transport received as proof of identity. */
export type Credential = { readonly kind: 'none' } | { readonly kind: 'bearer'; readonly token: string };

/** Circumstances of an authentication, for `onAuthenticate`. */
export interface AuthenticationContext {
  /** Plugin id of the transport. */
  readonly transport: string;
  /** Address of the peer where there is one. */
  readonly remoteAddress?: string | undefined;
}
