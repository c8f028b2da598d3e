// Secrets and references in imported values: references of other programs become those of this one, and secrets become references.
import type { Problem } from '../config-problems.ts';
import type { Place } from '../config-source.ts';
import { secretKey } from '../masking.ts';

/** A variable that has to be set. */
export interface Variable {
  readonly name: string;
  /** Where the imported file holds its value; undefined when the file refers to the variable itself. */
  readonly literalAt: Place | undefined;
}

/** Credentials that are known by their looks, whatever the key is called. */
const looksSecret =
  /^(?:gh[opsur]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|sk-[\w-]{16,}|xox[a-z]-[\w-]{10,}|AKIA[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]+\.[\w-]+\.[\w-]*|npm_\w{30,}|hf_\w{20,})$/;

/**
 * The password of an address, wherever it stands in a text: up to the last `@` that may belong to it, whatever is in front of that, for what
 * is taken too much is only looked up in the environment, and what is taken too little is shown. It ends at blanks, at references, and at
 * the next address of a list; what begins like a port is none.
 */
const password =
  /((?<=[\w+.-]):\/\/(?!\[[\da-f:.]+\])(?:(?:\$\{[^}]*\}|(?!\$\{)[^/:\s])+:(?!\d{1,5}(?:[/?#]|$))|:))((?:(?!\$\{|\{\{|[,;][\w+.-]+:\/\/)\S)+)(?=@)/gi;

/** Characters of a text in which addresses are looked for; the search is quadratic, and a longer one with a user in it is kept whole. */
const longestAddress = 4096;

/** What stands alone in front of the host of an address. */
const user = /([\w+.-]+:\/\/)([^/@:\s]+)(?=@)/g;

/** Headers whose values are secret though their names do not say so. */
const secretHeader = /^(?:authorization|proxy-authorization|cookie|x-auth|x-access)$|auth(?!or)|key$/i;

/** What editors put into braces without a prefix: no variables of the environment. */
const editorNames = new Set(['workspaceFolder', 'workspaceFolderBasename', 'userHome', 'pathSeparator']);

const reference = /\$\{([^}]*)\}/g;

/** Takes the values of one file. Names of variables are its own: two different secrets never share one. */
export class SecretKeeper {
  readonly problems: Problem[] = [];
  readonly #variables = new Map<
    string,
    { readonly value: string | undefined; readonly literalAt: Place | undefined }
  >();

  /** All variables that the values refer to, in order. */
  get variables(): Variable[] {
    return [...this.#variables].map(([name, { literalAt }]) => ({ name, literalAt }));
  }

  /** A value of the environment of a program. */
  environment(server: string, key: string, value: string, place: Place): string {
    if (!hasReference(value) && (secretKey.test(key) || looksSecret.test(value)))
      return this.#keep([key, `${server}_${key}`], value, place);
    return this.url(key, value, place);
  }

  /** A value of a header; `Bearer` and the like stay readable. */
  header(server: string, key: string, value: string, place: Place): string {
    if (hasReference(value)) return this.text(value, place);
    if (!secretHeader.test(key) && !secretKey.test(key) && !looksSecret.test(value))
      return this.url(server, value, place);
    const [, scheme = '', secret = value] = /^([A-Za-z]+ +)?(.*)$/s.exec(value) ?? [];
    const name = /authorization/i.test(key) ? 'token' : key.replace(/^x-/i, '');
    return scheme + this.#keep([`${server}_${name}`], secret, place);
  }

  /** Arguments of a program: `--token X`, `--token=X`, `-e TOKEN=X`, and what looks like a credential. */
  arguments(server: string, values: readonly string[], place: Place): string[] {
    return values.map((value, index) => {
      const at = [...place, index];
      if (hasReference(value)) return this.url(server, value, at);
      const [, key, secret] = /^(-{0,2}[A-Za-z][\w-]*)=(.+)$/s.exec(value) ?? [];
      if (key !== undefined && secret !== undefined && (secretKey.test(key) || looksSecret.test(secret)))
        return `${key}=${this.#keep([`${server}_${key.replace(/^-+/, '')}`], secret, at)}`;
      const before = values[index - 1] ?? '';
      const isValue = /^--?[A-Za-z][\w-]*$/.test(before) && secretKey.test(before) && !value.startsWith('-');
      if (!isValue && !looksSecret.test(value)) return this.url(server, value, at);
      return this.#keep([`${server}_${isValue ? before.replace(/^-+/, '') : 'token'}`], value, at);
    });
  }

  /** A text that may hold addresses: passwords in front of hosts, and parameters named like secrets. `owner` begins their names. */
  url(owner: string, value: string, place: Place): string {
    if (value.length > longestAddress && value.includes('://') && value.includes('@'))
      return this.#keep([`${owner}_address`], value, place);
    const keep = (all: string, start: string, name: string, secret: string) =>
      hasReference(secret) ? all : start + this.#keep([`${owner}_${name}`], secret, place);
    const kept = value.includes('://')
      ? value
          .replaceAll(password, (all, start: string, secret: string) => keep(all, start, 'password', secret))
          .replaceAll(user, (all, start: string, secret: string) =>
            looksSecret.test(secret) ? keep(all, start, 'token', secret) : all,
          )
          .replaceAll(/([?&]([^=&#]+)=)([^&#]+)/g, (all, start: string, key: string, secret: string) =>
            secretKey.test(key) || /key$/i.test(key) || looksSecret.test(secret) ? keep(all, start, key, secret) : all,
          )
      : value;
    return hasReference(value) ? this.text(kept, place) : kept;
  }

  /** Any other text: `${NAME}` and `${NAME:-default}` become `${env:NAME}`; what else stands in braces is a problem. */
  text(value: string, place: Place): string {
    if (/\{\{\w+\}\}/.test(value))
      this.problems.push({ place, message: 'holds a placeholder in {{…}}: write what it stands for' });
    return value.replaceAll(reference, (all, inside: string) => {
      const [, name, fallback = ''] = /^(?:env:)?([A-Za-z_]\w*)(:-.*)?$/s.exec(inside) ?? [];
      if (name === undefined || editorNames.has(inside)) {
        this.problems.push({
          place,
          message: `${all} is known to another program only: write what it stands for, or \${env:NAME}`,
        });
        return all;
      }
      if (fallback === '' && !this.#variables.has(name))
        this.#variables.set(name, { value: undefined, literalAt: undefined });
      return `\${env:${name}${fallback}}`;
    });
  }

  /** Remembers a secret under the first name that no other secret has, and refers to it. */
  #keep(names: readonly string[], value: string, place: Place): string {
    const candidates = [
      ...names,
      ...Array.from({ length: 1000 }, (_each, index) => `${names.at(-1)}_${index + 2}`),
    ].map(variableName);
    const name = candidates.find((each) => {
      const taken = this.#variables.get(each);
      return taken === undefined || taken.value === value;
    });
    if (name === undefined) throw new Error('more than a thousand secrets of one name');
    if (!this.#variables.has(name)) this.#variables.set(name, { value, literalAt: place });
    return `\${env:${name}}`;
  }
}

function hasReference(value: string): boolean {
  return value.includes('${') || value.includes('{{');
}

function variableName(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9]+/g, '_').toUpperCase();
  return /^\d/.test(name) ? `_${name}` : name;
}
