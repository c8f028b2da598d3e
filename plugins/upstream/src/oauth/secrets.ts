// The credentials that this process got from authorization servers, to be hidden in text that servers wrote. Nothing is kept on disk here.

const shortest = 6;
const most = 2000;
const known = new Set<string>();

/** Remembers values that must not appear in any message. */
export function hide(...values: readonly (string | undefined)[]): void {
  for (const value of values) {
    if (value === undefined || value.length < shortest) continue;
    known.delete(value);
    known.add(value);
  }
  for (const oldest of known) {
    if (known.size <= most) return;
    known.delete(oldest);
  }
}

/** The text with all remembered values masked. */
export function mask(text: string): string {
  let masked = text;
  for (const value of known) masked = masked.replaceAll(value, '***');
  return masked;
}
