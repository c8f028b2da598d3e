// Colours of the command line's own words. They carry a mark that nobody else can know: every other escape sequence is left out before a terminal sees it.
import { randomBytes } from 'node:crypto';
import { styleText } from 'node:util';
import { otherControl } from '../plain-text.ts';

export type Style = Parameters<typeof styleText>[0];

const mark = `\u001b${randomBytes(9).toString('hex')}:`;
const markedOrControl = new RegExp(`${mark}([\\d;]+)m|${otherControl}`, 'g');

/** The text in a style. It is shown as {@link reveal} decides. */
export function paint(style: Style, text: string): string {
  return seal(styleText(style, reveal(text, false)));
}

/** Marks the colours of a text as the command line's own; for text that came through {@link reveal}. */
export function seal(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape of a colour
  return text.replace(/\u001b\[([\d;]+)m/g, `${mark}$1m`);
}

/** The text without control characters; with its own colours, if those are wanted. Line breaks and tabs stay. */
export function reveal(text: string, coloured: boolean): string {
  return text.replace(markedOrControl, (_, codes: string | undefined) =>
    coloured && codes !== undefined ? `\u001b[${codes}m` : '',
  );
}
