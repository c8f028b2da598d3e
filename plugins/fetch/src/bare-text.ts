// The text of a page without understanding it: one pass, whatever the page is made of. For pages that nothing better
// can be made of in time.

const skipped = new Set(['script', 'style', 'template', 'noscript', 'svg', 'head', 'iframe']);
const inline = new Set(['a', 'abbr', 'b', 'cite', 'code', 'em', 'i', 'mark', 'q', 's', 'small', 'span', 'strong', 'u']);
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

export function bareText(html: string): string {
  const lower = html.toLowerCase();
  const parts: string[] = [];
  let position = 0;
  while (position < html.length) {
    const open = html.indexOf('<', position);
    parts.push(html.slice(position, open < 0 ? html.length : open));
    if (open < 0) break;
    const end = endOfTag(lower, open);
    if (end < 0) break;
    const name = /^\/?[a-z][a-z0-9]*/.exec(lower.slice(open + 1, open + 20))?.[0] ?? '';
    if (!inline.has(name.replace('/', ''))) parts.push('\n');
    position = skipped.has(name) ? endOfElement(lower, name, end) : end;
  }
  return tidy(parts.join(''));
}

/** Index behind a tag or comment; -1 when it has no end. */
function endOfTag(lower: string, open: number): number {
  const isComment = lower.startsWith('<!--', open);
  const end = lower.indexOf(isComment ? '-->' : '>', open + 1);
  return end < 0 ? -1 : end + (isComment ? 3 : 1);
}

function endOfElement(lower: string, name: string, from: number): number {
  const close = lower.indexOf(`</${name}`, from);
  return close < 0 ? lower.length : close;
}

function tidy(text: string): string {
  const lines = text
    .replace(/&(?:#(\d{1,7})|([a-z]{2,4}));/g, (whole, code: string | undefined, name: string | undefined) => {
      if (code === undefined) return entities[name ?? ''] ?? whole;
      return Number(code) <= 0x10ffff ? String.fromCodePoint(Number(code)) : whole;
    })
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '));
  return lines.filter((line) => line !== '').join('\n');
}
