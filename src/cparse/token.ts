/**
 * Splits C text into tokens with positions, and makes the errors that name a position. Internal: used by
 * the preprocessor, which passes the tokens to the parser.
 *
 * The text is untrusted and up to 16 MiB long, so it is scanned as it is read, with loops instead of
 * regular expressions that would keep a stack of its size.
 */

/** The largest length of a text. Whole headers fit. */
export const LONGEST_TEXT = 2 ** 24;

/** How many characters of a token an error quotes. */
const LONGEST_QUOTE = 40;

/** A word, number, literal or mark of C. */
export interface Token {
  /**
   * `pragma` is a `#pragma pack` line, `undecided` stands for lines of which only the user knows whether
   * they count, and `end` is the end of the text.
   */
  readonly kind: "word" | "number" | "literal" | "mark" | "pragma" | "undecided" | "end";
  /** The source text; a literal includes its quotes. */
  readonly text: string;
  /** Line and column count from 1. Columns are UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** Whether only space precedes it on its line. */
  readonly first: boolean;
  /** Whether it follows the previous token directly, without space. */
  readonly adjacent: boolean;
  /** Whether a macro of the text made it. */
  readonly expanded?: boolean;
  /** Whether it names a macro that is being expanded, so that it stays a word. */
  readonly final?: boolean;
  /** Why it is undecided, and the tokens that it stands for. */
  readonly undecided?: { readonly error: TypeError; readonly skipped: readonly Token[] };
}

/** Quotes a text on one line: it escapes what is not printable ASCII, and cuts a long text. */
function quote(text: string): string {
  const short = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}...` : text;
  return JSON.stringify(short).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function placed({ kind, text, line, column }: Token, problem: string): string {
  return `line ${line}, column ${column}, at ${
    kind === "end" ? "the end" : quote(text)
  }: ${problem}`;
}

/** The error at a token for text that is not C, or that uses an unsupported feature. */
export function unreadable(token: Token, problem: string): TypeError {
  // Lines of which it is not known whether they count: that is the reason
  if (token.undecided !== undefined) return token.undecided.error;
  return new TypeError(placed(token, problem));
}

/** The error at a token for a number or size that is out of range. */
export function outOfBounds(token: Token, problem: string): RangeError {
  return new RangeError(placed(token, problem));
}

/** Runs `make` and puts the position in front of its error. */
export function locate<T>(token: Token, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw outOfBounds(token, error.message);
    if (error instanceof TypeError) throw unreadable(token, error.message);
    throw error;
  }
}

const NEWLINE = 10;
const BACKSLASH = 92;
/** Marks of several characters. `>>` is two marks: it also ends two templates. */
const LONG_MARKS = ["...", "::", "<<", "<=", ">=", "==", "!=", "&&", "||", "##", "->"];
const BEGINS_LONG_MARK = new Set(LONG_MARKS.map((mark) => mark.charCodeAt(0)));

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isWordPart(code: number): boolean {
  return isDigit(code) || (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95;
}

/** Reads a text token by token. After the last one it returns the end again and again. */
export class Scanner {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;
  #first = true;
  #adjacent = false;

  constructor(text: string) {
    this.#text = text;
    if (text.startsWith("\ufeff")) {
      this.#at = 1;
      this.#lineStart = 1;
    }
  }

  next(): Token {
    this.#skipSpace();
    const start = this.#at;
    const line = this.#line;
    const column = start - this.#lineStart + 1;
    if (start >= this.#text.length) return this.#token("end", start, line, column);
    const code = this.#text.charCodeAt(start);
    const next = this.#text.charCodeAt(start + 1);
    let kind: Token["kind"] = "mark";
    if (isDigit(code) || (code === 46 && isDigit(next))) {
      kind = "number";
      this.#number();
    } else if (isWordPart(code)) {
      kind = "word";
      while (isWordPart(this.#text.charCodeAt(this.#at))) this.#at += 1;
    } else if (code === 34 || code === 39) {
      kind = "literal";
      this.#literal(code);
    } else if (code === 47 && next === 42) {
      throw unreadable(
        { ...this.#token("mark", start, line, column), text: "/*" },
        "this comment has no end",
      );
    } else {
      const long = BEGINS_LONG_MARK.has(code)
        ? LONG_MARKS.find((mark) => this.#text.startsWith(mark, start))
        : undefined;
      this.#at += long?.length ?? (this.#text.codePointAt(start)! > 0xffff ? 2 : 1);
    }
    const token = this.#token(kind, start, line, column);
    this.#first = false;
    this.#adjacent = true;
    return token;
  }

  #token(
    kind: Token["kind"],
    start: number,
    line: number,
    column: number,
  ): Token {
    return {
      kind,
      text: this.#text.slice(start, this.#at),
      line,
      column,
      first: this.#first,
      adjacent: this.#adjacent,
    };
  }

  /** Records the line break at `at`. */
  #break(at: number): void {
    this.#line += 1;
    this.#lineStart = at + 1;
  }

  /** The length of a backslash with its line break here; 0 if there is none. */
  #continuation(at: number): number {
    if (this.#text.charCodeAt(at) !== BACKSLASH) return 0;
    const next = this.#text.charCodeAt(at + 1);
    if (next === NEWLINE) return 2;
    return next === 13 && this.#text.charCodeAt(at + 2) === NEWLINE ? 3 : 0;
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      const continued = this.#continuation(this.#at);
      if (code === NEWLINE) {
        this.#break(this.#at);
        this.#at += 1;
        this.#first = true;
      } else if (continued > 0) {
        this.#at += continued;
        this.#break(this.#at - 1);
      } else if (code === 32 || (code >= 9 && code <= 13)) this.#at += 1;
      else if (code !== 47 || !this.#skipComment()) return;
      this.#adjacent = false;
    }
  }

  #skipComment(): boolean {
    const next = this.#text.charCodeAt(this.#at + 1);
    if (next === 47) {
      this.#lineUp(NEWLINE);
      return true;
    }
    if (next !== 42) return false;
    const end = this.#text.indexOf("*/", this.#at + 2);
    if (end === -1) return false;
    for (let i = this.#at; i < end; i++) {
      if (this.#text.charCodeAt(i) === NEWLINE) this.#break(i);
    }
    this.#at = end + 2;
    return true;
  }

  /** Moves to the character `stop` or the end of the line, over continued lines. */
  #lineUp(stop: number): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === stop || code === NEWLINE) return;
      const continued = this.#continuation(this.#at);
      if (continued > 0) {
        this.#at += continued - 1;
        this.#break(this.#at);
      } else if (code === BACKSLASH && stop !== NEWLINE) {
        if (this.#text.charCodeAt(this.#at + 1) !== NEWLINE) this.#at += 1;
      }
    }
  }

  /** A literal without its closing quote ends with its line: the parser does not accept it. */
  #literal(quoteCode: number): void {
    this.#at += 1;
    this.#lineUp(quoteCode);
    if (this.#text.charCodeAt(this.#at) === quoteCode) this.#at += 1;
    this.#at = Math.min(this.#at, this.#text.length);
  }

  #number(): void {
    for (;;) {
      this.#at += 1;
      const code = this.#text.charCodeAt(this.#at);
      const before = this.#text.charCodeAt(this.#at - 1) | 32;
      const sign = (code === 43 || code === 45) && (before === 101 || before === 112);
      const separator = code === 39 && isWordPart(this.#text.charCodeAt(this.#at + 1));
      if (!isWordPart(code) && code !== 46 && !sign && !separator) return;
    }
  }
}

/** All tokens of a short text, without the end. */
export function scanAll(text: string): Token[] {
  const scanner = new Scanner(text);
  const tokens: Token[] = [];
  for (let token = scanner.next(); token.kind !== "end"; token = scanner.next()) tokens.push(token);
  return tokens;
}
