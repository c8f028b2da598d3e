// Whether a URI can come from a URI template (RFC 6570). Expansion is the server's business.

/**
 * True when the literal parts of the template stand in the URI in order, with something for each expression between them. A linear scan:
 * templates and URIs come from strangers, and a regular expression of either could be made to run for ever.
 */
export function matchesTemplate(template: string, uri: string): boolean {
  const literals = template.split(/\{[^{}]*\}/);
  const first = literals[0] ?? '';
  const last = literals.at(-1) ?? '';
  if (literals.length === 1) return template === uri;
  if (!uri.startsWith(first) || !uri.endsWith(last) || uri.length < first.length + last.length) return false;
  let from = first.length;
  const end = uri.length - last.length;
  for (const literal of literals.slice(1, -1)) {
    const at = uri.indexOf(literal, from);
    if (at < 0 || at + literal.length > end) return false;
    from = at + literal.length;
  }
  return from <= end;
}
