// Which grant connects as whom. What the credentials look like lives in `address.ts`.

/** Credentials of some grants. */
export interface Connection {
  /** Pattern of grant ids; `*` stands for any text. */
  readonly grants: string;
  readonly url: string;
  /** For `execute`; undefined: the same as `url`. */
  readonly executeUrl?: string | undefined;
}

/** Credentials of one grant. */
export interface Credentials {
  readonly url: string;
  readonly executeUrl: string;
}

/** The credentials of a grant: its first entry, else the common ones. Undefined when there are neither. */
export function credentialsOf(
  grant: string | undefined,
  connections: readonly Connection[],
  common: { readonly url?: string | undefined; readonly executeUrl?: string | undefined },
): Credentials | undefined {
  const own = grant === undefined ? undefined : connections.find((each) => matches(each.grants, grant));
  const { url, executeUrl } = own ?? common;
  return url === undefined ? undefined : { url, executeUrl: executeUrl ?? url };
}

/** True when a whole text fits a pattern with `*`. Takes time in proportion to both. */
export function matches(pattern: string, text: string): boolean {
  const [first = '', ...others] = pattern.split('*');
  const last = others.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let from = first.length;
  for (const part of others) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > text.length - last.length) return false;
    from = at + part.length;
  }
  return true;
}
