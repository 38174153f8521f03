/**
 * C text as tokens, each with its place, and the errors that name it. Called by `c_preprocessor.ts`,
 * which hands the tokens on to the parser of this room.
 */

/** Longer texts are refused: a declaration is a page, and a limit bounds what a bad one can cost. */
export const LONGEST_TEXT = 65536;

/** How much of a token an error quotes. */
const LONGEST_QUOTE = 40;

/** One word, number, literal or mark of C. */
export interface Token {
  /** `pragma` is a `#pragma pack` line, `end` the end of the text. */
  readonly kind: "word" | "number" | "literal" | "mark" | "pragma" | "end";
  /** As it is written; a literal with its quotes. */
  readonly text: string;
  /** Both count from 1; columns are UTF-16 units. */
  readonly line: number;
  readonly column: number;
  /** Nothing but space is before it on its line. */
  readonly first: boolean;
  /** Nothing at all is between it and the token before. */
  readonly adjacent: boolean;
}

const SPACE = /(?:[ \t\v\f\r]|\\\r?\n|\/\/(?:\\\r?\n|[^\n])*)+/y;
const NEWLINE = /\n/y;
const COMMENT = /\/\*[^]*?\*\//y;
// A literal without its closing quote ends with its line, and no rule of the parser takes it. A
// character that belongs nowhere becomes a mark, for the same end.
const TOKEN =
  /([A-Za-z_]\w*)|(\.?[0-9](?:[eEpP][+-]|'\w|[\w.])*)|("(?:[^"\\\n]|\\[^\n])*"?|'(?:[^'\\\n]|\\[^\n])*'?)|(::|<<|>>|[^])/uy;

/** A text in quotes and on one line: what is not printable ASCII is escaped, what is long is cut. */
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

/** What is wrong at a token, for text that is no C or that asks for what this library has not. */
export function unreadable(token: Token, problem: string): TypeError {
  return new TypeError(placed(token, problem));
}

/** What is wrong at a token, for numbers and sizes. */
export function outOfBounds(token: Token, problem: string): RangeError {
  return new RangeError(placed(token, problem));
}

/** Runs what may refuse a name, a size or an alignment, and puts the place in front of its error. */
export function locate<T>(token: Token, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw outOfBounds(token, error.message);
    if (error instanceof TypeError) throw unreadable(token, error.message);
    throw error;
  }
}

/** All tokens of a text, preprocessor lines included, and one of kind `end`. */
export function scan(text: string): Token[] {
  const tokens: Token[] = [];
  let [at, line, lineStart, first, adjacent] = [0, 1, 0, true, false];

  /** Steps over what `pattern` matches here, if it does. */
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

/** A place in a list of tokens that moves forward. */
export class Tokens {
  readonly #list: readonly Token[];
  #at = 0;

  /** The last token must be the only one of kind `end`. */
  constructor(list: readonly Token[]) {
    this.#list = list;
  }

  /** The next token, or the one `ahead` of it; the end stays the end. */
  peek(ahead = 0): Token {
    return this.#list[Math.min(this.#at + ahead, this.#list.length - 1)]!;
  }

  take(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  /** Whether the next token is written like this. */
  at(text: string): boolean {
    return this.peek().text === text;
  }

  /** Takes the next token if it is written like this. */
  accept(text: string): Token | undefined {
    return this.at(text) ? this.take() : undefined;
  }

  /** Takes the next token, which must be written like this. */
  expect(text: string, after: string): Token {
    const token = this.take();
    if (token.text !== text) throw unreadable(token, `"${text}" must follow ${after}`);
    return token;
  }

  /** After an opening parenthesis: steps behind the closing one. */
  skipParentheses(opening: Token): void {
    for (let open = 1; open > 0;) {
      const { kind, text } = this.take();
      if (kind === "end") throw unreadable(opening, "this parenthesis is never closed");
      if (text === "(") open += 1;
      if (text === ")") open -= 1;
    }
  }
}
