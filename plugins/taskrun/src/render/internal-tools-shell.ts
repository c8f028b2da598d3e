// Reads a shell command line into the simple commands it would run, those of substitutions and subshells too. It refuses what it cannot read
// with certainty instead of guessing: a wrong reading would let a denied command through. Rules are not known here.

/** A word of a command after quotes were removed. */
export interface Word {
  /** Its text as far as it stands there: expansions leave nothing behind. */
  readonly text: string;
  /** True when the shell makes more of it: a variable, a substitution, a wildcard, braces. */
  readonly dynamic: boolean;
}

/** One program to be run. */
export interface SimpleCommand {
  /** Names of variables that are set for it (`NODE_ENV=test npm test`), or in the shell when there are no words. */
  readonly assigns: readonly string[];
  /** The program and its arguments. */
  readonly words: readonly Word[];
  /** True when it writes or reads a file by `>`, `<`, `>>`; not for `2>&1` and `/dev/null`. */
  readonly redirects: boolean;
}

const maxLength = 100_000;
const maxDepth = 40;

/** Each word may be compared with each rule, while others wait. */
const maxWords = 5000;

/** The commands of a line, in the order in which they stand; undefined when it cannot be read with certainty. */
export function readCommandLine(text: string): SimpleCommand[] | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (text.length > maxLength || /[\u0000-\u0008\u000b-\u001f\u007f]/.test(text)) return undefined;
  try {
    return new Reader(text).read();
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

class Unreadable extends Error {}

/** Words that stand before a command and change nothing about which one it is. */
const keywords = new Set(['if', 'then', 'else', 'elif', 'fi', 'while', 'until', 'do', 'done', '!', '{', '}']);

/** Constructs whose insides are not commands in order. */
const refused = new Set(['case', 'esac', 'function', 'coproc', 'select', 'foreach', 'repeat', 'always']);

interface Heredoc {
  readonly end: string;
  readonly tabs: boolean;
  readonly literal: boolean;
}

/** A command while it is read. */
interface Draft {
  assigns: string[];
  words: Word[];
  redirects: boolean;
  /** `for x in …`: its words are data. */
  loop: boolean;
}

class Reader {
  readonly #text: string;
  readonly #commands: SimpleCommand[] = [];
  readonly #heredocs: Heredoc[] = [];
  #at = 0;
  #depth = 0;
  #words = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): SimpleCommand[] {
    this.#list(undefined);
    if (this.#heredocs.length > 0) throw new Unreadable();
    return this.#commands;
  }

  get #next(): string {
    return this.#text[this.#at] ?? '';
  }

  /** Takes a text if it is the next one. */
  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** Commands up to the end, or up to and with the parenthesis that closes them. */
  #list(end: ')' | undefined): void {
    if (++this.#depth > maxDepth) throw new Unreadable();
    let draft = newDraft();
    const finish = () => {
      this.#finish(draft);
      draft = newDraft();
    };
    for (;;) {
      if (this.#take(' ') || this.#take('\t') || this.#take('\\\n')) continue;
      if (this.#next === '' || this.#next === ')') break;
      if (this.#take('\n')) {
        finish();
        this.#skipHeredocs();
      } else if (this.#next === '#') this.#skipComment();
      else if (this.#take('&>>') || this.#take('&>')) this.#redirect(draft);
      else if (this.#take(';') || this.#take('&') || this.#take('|')) finish();
      else if (this.#next === '(') this.#subshell(draft);
      else if (!this.#redirection(draft)) this.#addWord(draft, this.#word());
    }
    if (this.#next !== (end ?? '') || (end !== undefined && this.#heredocs.length > 0)) throw new Unreadable();
    this.#at += end === undefined ? 0 : 1;
    finish();
    this.#depth--;
  }

  #finish({ assigns, words, redirects, loop }: Draft): void {
    if (!loop && (words.length > 0 || assigns.length > 0 || redirects))
      this.#commands.push({ assigns, words, redirects });
  }

  #subshell(draft: Draft): void {
    // Behind a word it would be a function or a pattern, behind an assignment a list.
    if (draft.words.length > 0 || draft.assigns.length > 0 || this.#text.startsWith('((', this.#at))
      throw new Unreadable();
    this.#at++;
    this.#list(')');
  }

  #skipComment(): void {
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  /** A redirection, if one comes next; digits in front of it are a file descriptor. */
  #redirection(draft: Draft): boolean {
    const [all, operator] =
      /^\d*(<<<|<<-|<<|<>|<&|<|>>|>\||>&|>)/.exec(this.#text.slice(this.#at, this.#at + 16)) ?? [];
    if (all === undefined || operator === undefined) return false;
    const behind = this.#text[this.#at + all.length];
    if (behind === '(' && (all === '<' || all === '>')) return false;
    this.#at += all.length;
    if (operator === '<<' || operator === '<<-') this.#heredoc(operator === '<<-');
    else if (operator === '<<<') this.#wordBehindBlanks();
    else this.#redirect(draft);
    return true;
  }

  #redirect(draft: Draft): void {
    const { text, dynamic } = this.#wordBehindBlanks();
    if (dynamic || !/^(?:\/dev\/null|\d+|\d*-)$/.test(text)) draft.redirects = true;
  }

  #heredoc(tabs: boolean): void {
    const start = this.#at;
    const { text, dynamic } = this.#wordBehindBlanks();
    if (dynamic || text === '') throw new Unreadable();
    this.#heredocs.push({ end: text, tabs, literal: /['"\\]/.test(this.#text.slice(start, this.#at)) });
  }

  /** The texts of `<<` stand behind the line; what the shell would expand in them must be plain. */
  #skipHeredocs(): void {
    for (const { end, tabs, literal } of this.#heredocs.splice(0)) {
      for (;;) {
        const line = this.#line();
        if ((tabs ? line.replace(/^\t+/, '') : line) === end) break;
        if (!literal && /[`\\]|\$[({]/.test(line)) throw new Unreadable();
      }
    }
  }

  /** The next line, without its end; behind the last one the position is past the text. */
  #line(): string {
    if (this.#at > this.#text.length) throw new Unreadable();
    const end = this.#text.indexOf('\n', this.#at);
    const line = this.#text.slice(this.#at, end < 0 ? this.#text.length : end);
    this.#at = end < 0 ? this.#text.length + 1 : end + 1;
    return line;
  }

  #addWord(draft: Draft, { text, dynamic, plain }: RawWord): void {
    if (++this.#words > maxWords) throw new Unreadable();
    if (draft.words.length === 0 && draft.assigns.length === 0 && plain === text.length && !dynamic) {
      if (refused.has(text)) throw new Unreadable();
      if (text === 'for') draft.loop = true;
      if (keywords.has(text)) return;
    }
    const [assigned, name] = /^([A-Za-z_]\w*)\+?=/.exec(text) ?? [];
    if (draft.words.length === 0 && name !== undefined && assigned !== undefined && assigned.length <= plain)
      draft.assigns.push(name);
    else draft.words.push({ text, dynamic: dynamic || (draft.words.length === 0 && text.startsWith('=')) });
  }

  #wordBehindBlanks(): Word {
    while (this.#take(' ') || this.#take('\t') || this.#take('\\\n'));
    const start = this.#at;
    const word = this.#word();
    if (this.#at === start) throw new Unreadable();
    return word;
  }

  #word(): RawWord {
    const word: RawWord = { text: '', dynamic: false, plain: 0 };
    let quoted = false;
    for (;;) {
      const next = this.#next;
      if (next === '' || ' \t\n;&|)'.includes(next)) break;
      if (next === '(') throw new Unreadable();
      if (next === '<' || next === '>') {
        if (this.#text[this.#at + 1] !== '(' || word.text !== '') break;
        this.#at += 2;
        this.#list(')');
        word.dynamic = true;
      } else if (next === "'" || next === '"' || next === '\\') {
        quoted = true;
        this.#quoted(word);
      } else if (next === '$') this.#expansion(word, false);
      else if (next === '`') throw new Unreadable();
      else {
        if ('*?['.includes(next) || (next === '{' && this.#isBrace())) word.dynamic = true;
        word.text += next;
        this.#at++;
      }
      if (!quoted && !word.dynamic) word.plain = word.text.length;
    }
    // As a word of its own it is a command, and no wildcard.
    if (/^\[\[?$/.test(word.text)) word.dynamic = false;
    return word;
  }

  /** `{a,b}`, `{1..3}`, `{fd}>`; neither `{` alone, which is a keyword, nor `{}`, which is a text. */
  #isBrace(): boolean {
    return /^\{[^\s}]/.test(this.#text.slice(this.#at, this.#at + 2));
  }

  #quoted(word: RawWord): void {
    const quote = this.#next;
    this.#at++;
    if (quote === '\\') {
      if (this.#next === '') throw new Unreadable();
      if (this.#next !== '\n') word.text += this.#next;
      this.#at++;
    } else if (quote === "'") {
      const end = this.#text.indexOf("'", this.#at);
      if (end < 0) throw new Unreadable();
      word.text += this.#text.slice(this.#at, end);
      this.#at = end + 1;
    } else this.#doubleQuoted(word);
  }

  #doubleQuoted(word: RawWord): void {
    while (!this.#take('"')) {
      const next = this.#next;
      if (next === '' || next === '`') throw new Unreadable();
      if (next === '$') this.#expansion(word, true);
      else {
        if (next === '\\') {
          this.#at++;
          if (this.#next === '') throw new Unreadable();
          if (!'$`"\\\n'.includes(this.#next)) word.text += '\\';
        }
        if (next !== '\\' || this.#next !== '\n') word.text += this.#next;
        this.#at++;
      }
    }
  }

  /** `$x`, `${x}`, `$(…)`. Forms that hide commands or text, such as `$'…'`, `$((…))` and `${x:-…}`, are refused. */
  #expansion(word: RawWord, inQuotes: boolean): void {
    this.#at++;
    const rest = this.#text.slice(this.#at, this.#at + 200);
    const [name] = /^(?:[A-Za-z_]\w*|\{#?[A-Za-z_]\w*\}|[@*#?$!0-9-])/.exec(rest) ?? [];
    if (name !== undefined) this.#at += name.length;
    else if (rest.startsWith('(') && !rest.startsWith('((')) {
      this.#at++;
      this.#list(')');
    } else if (/^[[({]/.test(rest) || (!inQuotes && /^['"]/.test(rest))) throw new Unreadable();
    else {
      word.text += '$';
      return;
    }
    word.dynamic = true;
  }
}

interface RawWord {
  text: string;
  dynamic: boolean;
  /** How many characters at its start are neither quoted nor expanded. */
  plain: number;
}

function newDraft(): Draft {
  return { assigns: [], words: [], redirects: false, loop: false };
}
