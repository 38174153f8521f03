/**
 * Splits C text into tokens with positions, and makes the errors that name a position. Internal: used by
 * `c_preprocessor.ts`, which passes the tokens to the parser.
 */

/** The largest length of a text. A declaration is about a page; the limit bounds the cost of a bad text. */
export const LONGEST_TEXT = 65536;

/** How many characters of a token an error quotes. */
const LONGEST_QUOTE = 40;

/** A word, number, literal or mark of C. */
export interface Token {
  /** `pragma` is a `#pragma pack` line, and `end` is the end of the text. */
  readonly kind: "word" | "number" | "literal" | "mark" | "pragma" | "end";
  /** The source text; a literal includes its quotes. */
  readonly text: string;
  /** Line and column count from 1. Columns are UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** Whether only space precedes it on its line. */
  readonly first: boolean;
  /** Whether it follows the previous token directly, without space. */
  readonly adjacent: boolean;
}

const SPACE = /(?:[ \t\v\f\r]|\\\r?\n|\/\/(?:\\\r?\n|[^\n])*)+/y;
const NEWLINE = /\n/y;
const COMMENT = /\/\*[^]*?\*\//y;
// A literal without its closing quote ends with its line. An unknown character becomes a mark. The parser
// accepts neither.
const TOKEN =
  /([A-Za-z_]\w*)|(\.?[0-9](?:[eEpP][+-]|'\w|[\w.])*)|("(?:[^"\\\n]|\\[^\n])*"?|'(?:[^'\\\n]|\\[^\n])*'?)|(::|<<|>>|[^])/uy;

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

/** Returns all tokens of a text, including preprocessor lines, and one of kind `end`. */
export function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let [at, line, lineStart, first, adjacent] = [0, 1, 0, true, false];

  /** Skips the text that `pattern` matches here, if any. */
  const skip = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found === undefined) return undefined;
    for (let i = found.indexOf("\n"); i !== -1; i = found.indexOf("\n", i + 1)) {
      line += 1;
      lineStart = at + i + 1;
    }
    at += found.length;
    adjacent = false;
    return found;
  };
  const token = (kind: Token["kind"], text: string): Token => (
    { kind, text, line, column: at - lineStart + 1, first, adjacent }
  );

  while (at < text.length) {
    if (skip(SPACE) !== undefined || skip(COMMENT) !== undefined) continue;
    if (skip(NEWLINE) !== undefined) {
      first = true;
      continue;
    }
    if (text.startsWith("/*", at)) {
      throw unreadable(token("mark", "/*"), "this comment has no end");
    }
    TOKEN.lastIndex = at;
    const [found = "", word, number, literal] = TOKEN.exec(text) ?? [];
    const kind = word !== undefined
      ? "word"
      : number !== undefined
      ? "number"
      : literal !== undefined
      ? "literal"
      : "mark";
    tokens.push(token(kind, found));
    at += found.length;
    first = false;
    adjacent = true;
  }
  tokens.push(token("end", ""));
  return tokens;
}

/** A list of tokens with a position that moves forward. */
export class Tokens {
  readonly #list: readonly Token[];
  #at = 0;

  /** The last token must be of kind `end`, and no other token. */
  constructor(list: readonly Token[]) {
    this.#list = list;
  }

  /** Returns the next token, or the one `ahead` tokens later. After the end it returns the end. */
  peek(ahead = 0): Token {
    return this.#list[Math.min(this.#at + ahead, this.#list.length - 1)]!;
  }

  take(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  /** Whether the next token has this text. */
  at(text: string): boolean {
    return this.peek().text === text;
  }

  /** Takes the next token if it has this text. */
  accept(text: string): Token | undefined {
    return this.at(text) ? this.take() : undefined;
  }

  /** Takes the next token, which must have this text. */
  expect(text: string, after: string): Token {
    const token = this.take();
    if (token.text !== text) throw unreadable(token, `"${text}" must follow ${after}`);
    return token;
  }

  /** Skips to after the parenthesis that closes `opening`. */
  skipParentheses(opening: Token): void {
    for (let open = 1; open > 0;) {
      const { kind, text } = this.take();
      if (kind === "end") throw unreadable(opening, "this parenthesis is never closed");
      if (text === "(") open += 1;
      if (text === ")") open -= 1;
    }
  }
}
