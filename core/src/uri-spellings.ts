// The ways to write one URI: whoever denies one of them means the resource, however a client writes it.

/**
 * A URI as given, and as a server may read it: escapes undone, `.` segments and doubled slashes left out, the host in lower case,
 * without query and fragment. Without duplicates; the given one comes first.
 */
export function spellingsOf(uri: string): readonly string[] {
  const spellings = new Set([uri, decoded(uri)]);
  for (const each of [...spellings]) {
    if (!URL.canParse(each)) continue;
    const url = new URL(each);
    const origin = url.href.startsWith(`${url.protocol}//`) ? `${url.protocol}//${url.host}` : url.protocol;
    const path = url.pathname.replaceAll(/\/{2,}/g, '/');
    for (const plain of [url.href, `${origin}${path}${url.search}`, `${origin}${path}`]) {
      spellings.add(plain);
      spellings.add(decoded(plain));
    }
  }
  return [...spellings];
}

/** True when a URI goes up (`..` as a segment, escaped or not): whose it is shows only once its server has resolved it. */
export function climbs(uri: string): boolean {
  return /(?:^|[/\\])\.\.(?:[/\\?#]|$)/.test(decoded(uri));
}

/** Escapes undone; as it is when they are not those of UTF-8. */
function decoded(uri: string): string {
  try {
    return decodeURIComponent(uri);
  } catch {
    return uri;
  }
}
