// Where a string ends in the bytes of a JSON text, for whoever looks at its structure without parsing it.

const quote = 0x22;
const backslash = 0x5c;

/** Bytes of a string that are looked at one by one before the rest is searched: most strings are shorter than a search is worth. */
const nearBytes = 64;

/** The index of the quote that ends the string beginning at `start`; behind the last byte when none does. */
export function stringEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const near = Math.min(at + nearBytes, bytes.length);
    while (at < near) {
      const code = bytes[at];
      if (code === quote) return at;
      at += code === backslash ? 2 : 1;
    }
    const found = bytes.indexOf(quote, at);
    if (found < 0) return bytes.length;
    let escapes = found;
    while (escapes > at && bytes[escapes - 1] === backslash) escapes -= 1;
    if ((found - escapes) % 2 === 0) return found;
    at = found + 1;
  }
}
