/** One `import … from`, `export … from`, `import '…'` or `import('…')` of a source text. */
export interface Import {
  line: number;
  /** What is imported, as written; null if a dynamic import computes it. */
  specifier: string | null;
  /** Nothing of it is left when the types are gone. */
  typeOnly: boolean;
  /** The names taken from the module, before any `as`; empty for a namespace, default or bare import. */
  names: readonly string[];
  /** Takes the module whole: `* as name` or its default. */
  whole: boolean;
}

const TOKEN =
  /\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"|[\w$]+|[\s\S]/y;
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^\\`$])*(`|\$\{)/y;
const REGULAR_EXPRESSION = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const BEFORE_EXPRESSION =
  /^(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield|[^\w$)\]}'"`])$/;

/**
 * The same text, equally long, with comments, template texts, regular expressions and the insides of strings
 * turned into spaces (line breaks stay): what is found in it is code, at its true place.
 */
export function codeOf(source: string): string {
  return new Scanner(source).scan();
}

class Scanner {
  readonly #source: string;
  readonly #code: string[] = [];
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  scan(): string {
    while (this.#at < this.#source.length) this.#scanCode();
    return this.#code.join('');
  }

  /** To the brace that closes what was opened before, or to the end. */
  #scanCode(): void {
    let depth = 0;
    let previous = ';';
    while (this.#at < this.#source.length && depth >= 0) {
      const token = this.#take(this.#startsRegularExpression(previous) ? REGULAR_EXPRESSION : TOKEN);
      this.#code.push(codeOfToken(token));
      if (token === '`') this.#scanTemplate();
      if (token === '{') depth += 1;
      if (token === '}') depth -= 1;
      if (!/^(?:\s|\/[/*])/.test(token)) previous = /^['"`]|^\/./.test(token) ? 'literal' : token;
    }
  }

  /** From behind the opening mark to behind the closing one, holes included. */
  #scanTemplate(): void {
    for (let text = ''; this.#at < this.#source.length && !text.endsWith('`'); ) {
      text = this.#take(TEMPLATE_TEXT);
      this.#code.push(`${blank(text.slice(0, -1))}${text.at(-1)}`);
      if (text.endsWith('{')) this.#scanCode();
    }
  }

  #startsRegularExpression(previous: string): boolean {
    return /^\/[^/*]/.test(this.#source.slice(this.#at, this.#at + 2)) && BEFORE_EXPRESSION.test(previous);
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#source)?.[0] || this.#source.slice(this.#at, this.#at + 1);
    this.#at += text.length;
    return text;
  }
}

function codeOfToken(text: string): string {
  if (/^(?:\/\/|\/\*)/.test(text)) return blank(text);
  return text.length > 1 && /^['"/]/.test(text)
    ? `${text[0]}${blank(text.slice(1, -1))}${text.at(-1)}`
    : text;
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

const STATIC_IMPORT =
  /\b(?:import|export)\s+(type\s+)?(?:([\w$]+)\s*,?\s*)?(?:(\*)\s*(?:as\s+[\w$]+\s*)?|\{([^}]*)\}\s*)?from\s*(['"])/g;
const BARE_IMPORT = /\bimport\s*(['"])/g;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(.)/g;

/** Everything that a source text imports, in the order of its lines. */
export function importsOf(source: string, code: string = codeOf(source)): Import[] {
  const found: Import[] = [];
  for (const { index, 0: text, 1: type, 2: standard, 3: star, 4: list = '' } of code.matchAll(
    STATIC_IMPORT,
  )) {
    const parts = list.split(',').flatMap((part) => part.trim() || []);
    const specifier = literalAt(source, index + text.length - 1);
    const typeOnly =
      type !== undefined || (parts.length > 0 && !standard && parts.every((one) => /^type\s/.test(one)));
    const names = parts.map((part) => part.replace(/^type\s+/, '').replace(/\s+as\s.*$/, ''));
    found.push({ line: lineAt(code, index), specifier, typeOnly, names, whole: Boolean(standard ?? star) });
  }
  for (const pattern of [BARE_IMPORT, DYNAMIC_IMPORT]) {
    for (const { index, 0: text } of code.matchAll(pattern)) {
      const specifier = literalAt(source, index + text.length - 1);
      found.push({
        line: lineAt(code, index),
        specifier,
        typeOnly: false,
        names: [],
        whole: pattern === DYNAMIC_IMPORT,
      });
    }
  }
  return found.sort((one, other) => one.line - other.line);
}

/** The string literal that begins at this offset; null if there is none, or if it is a template with holes. */
function literalAt(source: string, offset: number): string | null {
  return /^(['"`])((?:(?!\1)[^$\\\n])*)\1/.exec(source.slice(offset))?.[2] ?? null;
}

/** The line, counted from 1, of an offset. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

/** Whether an offset of the code lies outside of every brace, bracket and parenthesis. */
export function isAtTopLevel(code: string, offset: number): boolean {
  let depth = 0;
  for (const character of code.slice(0, offset)) {
    if ('{[('.includes(character)) depth += 1;
    if ('}])'.includes(character)) depth -= 1;
  }
  return depth === 0;
}
