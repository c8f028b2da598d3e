// Entity tags (RFC 9110, sections 8.8.3 and 13.1): reading If-Match and If-None-Match, writing ETag. Comparing a demanded version is the route's business.
import { createHash } from 'node:crypto';
import { Problem } from 'plugboard';

const tag = /^(?:W\/)?"([\x21\x23-\x7e\x80-\xff]*)"$/;

/** The version that `If-Match` demands; undefined: any, or the header is not there. Throws a {@link Problem} for anything else than one strong tag. */
export function readIfMatch(header: string | undefined): string | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const trimmed = header.trim();
  const match = tag.exec(trimmed);
  if (match === null || trimmed.startsWith('W/')) {
    const detail = 'If-Match must hold one strong entity tag, as ETag gave it (e.g. "7"), or *.';
    throw new Problem(400, 'if-match-malformed', detail);
  }
  return match[1];
}

/** True when `If-None-Match` names the entity tag (weak comparison) or any. */
export function matchesNone(header: string | undefined, etag: string): boolean {
  const version = tag.exec(etag)?.[1];
  return (header ?? '').split(',').some((part) => {
    const trimmed = part.trim();
    return trimmed === '*' || (version !== undefined && tag.exec(trimmed)?.[1] === version);
  });
}

/** A version as `ETag`. */
export function entityTag(version: string): string {
  return `"${version}"`;
}

/** `ETag` of what has no version: good for finding out whether it has changed, not for If-Match. */
export function weakTag(text: string): string {
  return `W/"${createHash('sha256').update(text).digest('base64url').slice(0, 16)}"`;
}

/** For routes whose state is not in a store: throws 412 when another version is demanded than there is. */
export function demandVersion(demanded: string | undefined, actual: string): void {
  if (demanded === undefined || demanded === actual) return;
  const detail = `It has version "${actual}", not "${demanded}": somebody else has changed it; read it again.`;
  throw new Problem(412, 'version-conflict', detail, { expected: demanded, actual });
}
