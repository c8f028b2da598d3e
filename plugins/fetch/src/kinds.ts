// Which content types are read, and what to say of the others.
import { Refusal } from './settings.ts';

/** `html` is made Markdown of; `xml` is text that may declare its charset; `text` is given as it is. */
export type Kind = 'html' | 'xml' | 'text';

const textual =
  /^(?:text\/|application\/(?:json|javascript|ecmascript|x-javascript|yaml|x-yaml|toml|graphql|sql|x-sh|x-ndjson|ndjson|jsonl|x-www-form-urlencoded|manifest|rtf)\b|application\/[\w.+-]+\+(?:json|yaml)$)/;
const xml = /^(?:(?:text|application)\/xml$|[\w.]+\/[\w.+-]+\+xml$)/;

/** Throws a {@link Refusal} for content that cannot be read as text. Without a type, the first bytes decide. */
export function kindOf(url: string, contentType: string, bytes?: Buffer): Kind {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'text/html' || type === 'application/xhtml+xml') return 'html';
  if (xml.test(type)) return 'xml';
  // Some servers call a page plain text or nothing at all.
  if (type === '' || type === 'text/plain') return bytes !== undefined && looksLikeHtml(bytes) ? 'html' : 'text';
  if (textual.test(type)) return 'text';
  throw new Refusal(`${url} is ${wordFor(type)} and cannot be read as text. ${adviceFor(type)}`);
}

function looksLikeHtml(bytes: Buffer): boolean {
  return /^\s*(?:<!--.{0,200}?-->\s*)?<(?:!doctype html|html[\s>])/is.test(bytes.subarray(0, 512).toString('latin1'));
}

function wordFor(type: string): string {
  const family = type.split('/')[0] ?? '';
  if (['image', 'audio', 'video', 'font'].includes(family)) return `of the type ${type}`;
  return type === 'application/pdf' ? 'a PDF document' : `of the type ${type.slice(0, 100)}`;
}

function adviceFor(type: string): string {
  if (type.startsWith('image/'))
    return 'Fetch the page that shows it and read its description, or give the user the URL';
  if (type === 'application/pdf')
    return 'Look for the same text as a web page (many sites have one), or give the user the URL';
  return 'Look for a page that describes it, or give the user the URL';
}
