/**
 * The tokens of a text with a position that moves forward. Internal: used by the parser.
 */

import { outOfBounds, type Token, unreadable } from "./token.ts";

/** The most tokens of one declaration that are kept. */
const LONGEST_DECLARATION = 2 ** 20;

/** A list of tokens that is made as it is read. */
export class Tokens {
  readonly #source: () => Token;
  /** The tokens that were looked at and not taken. */
  readonly #ahead: Token[] = [];
  #at = 0;
  /** The open braces among the taken tokens. */
  #depth = 0;
  /** The tokens taken since {@linkcode mark}; `undefined` before the first. */
  #marked: Token[] | undefined;

  /** After the last token, of kind `end`, the source returns it again. */
  constructor(source: () => Token) {
    this.#source = source;
  }

  /** Returns the next token, or the one `ahead` tokens later. After the end it returns the end. */
  peek(ahead = 0): Token {
    while (this.#at + ahead >= this.#ahead.length) this.#ahead.push(this.#source());
    return this.#ahead[this.#at + ahead]!;
  }

  /** Takes the next token. It throws at lines of which it is not known whether they count. */
  take(): Token {
    const { undecided } = this.peek();
    if (undecided !== undefined) throw undecided.error;
    return this.skip();
  }

  /** Takes the next token where it does not matter. */
  skip(): Token {
    const token = this.peek();
    this.#at += 1;
    if (this.#at === this.#ahead.length) {
      this.#ahead.length = 0;
      this.#at = 0;
    }
    if (token.text === "{") this.#depth += 1;
    if (token.text === "}") this.#depth -= 1;
    if (this.#marked === undefined) return token;
    if (this.#marked.length === LONGEST_DECLARATION) {
      throw outOfBounds(token, `a declaration is more than ${LONGEST_DECLARATION} words and marks`);
    }
    this.#marked.push(token);
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

  /** Skips to after the bracket that closes `opening`, which is taken already. */
  skipBrackets(opening: Token): void {
    const closing = { "(": ")", "[": "]", "{": "}", "<": ">" }[opening.text];
    for (let open = 1; open > 0;) {
      const { kind, text } = this.skip();
      const over = kind === "end" || (opening.text === "<" && (text === ";" || text === "{"));
      if (over) throw unreadable(opening, "this bracket is never closed");
      if (text === opening.text) open += 1;
      if (text === closing) open -= 1;
    }
  }

  /** Begins a declaration: {@linkcode marked} returns its tokens. */
  mark(): void {
    this.#marked = [];
  }

  /** The tokens taken since `mark`. */
  get marked(): readonly Token[] {
    return this.#marked ?? [];
  }

  /** The braces that are open here. */
  get depth(): number {
    return this.#depth;
  }
}
