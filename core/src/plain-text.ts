// Text from elsewhere, made fit for a log or a terminal: no control character of it arrives there. What is done with it is everybody else's business.

/** C0, DEL and C1; the two line separators; what turns the direction in which the text behind it is shown. */
const control = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069';

/** The source of an expression for one control character, line breaks and tabs included. */
export const anyControl = `[${control}]`;

/** The source of an expression for one control character other than a line break or a tab. */
export const otherControl = `(?![\\n\\t])${anyControl}`;

const everyControl = new RegExp(anyControl, 'g');

/** The text on one line: a line break becomes `lineBreak`, with the blanks behind it, and every control character `replacement`. */
export function oneLine(text: string, lineBreak = ' ', replacement = ''): string {
  return text.replace(/\r?\n\s*/g, lineBreak).replace(everyControl, replacement);
}
