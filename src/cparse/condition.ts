/**
 * Decides the conditions of `#if`. A part that only the user knows does not matter if the other parts
 * decide: `0 && X` is false. Internal: used by the preprocessor.
 */

import { character, literal } from "./constant.ts";
import { outOfBounds, type Token, unreadable } from "./token.ts";

/** The largest nesting depth of parentheses, signs and choices. */
const DEEPEST = 64;

/** A number, or why it is not known. */
type Value = bigint | Unknown;

/** A number that is not known, except the least that it can be. */
export interface Unknown {
  readonly error: TypeError;
  readonly least?: bigint;
}

const STRENGTH: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<", ">", "<=", ">="],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
];

/** Returns whether a condition holds, or why that is not known. `word` gives the value of a word. */
export function decide(
  tokens: readonly Token[],
  end: Token,
  word: (token: Token) => bigint | Unknown,
): boolean | Unknown {
  const condition = new Condition(tokens, end, word);
  const value = condition.choice(0);
  condition.finish();
  return typeof value === "bigint" ? value !== 0n : value.least! > 0n ? true : value;
}

class Condition {
  readonly #tokens: readonly Token[];
  readonly #end: Token;
  readonly #word: (token: Token) => bigint | Unknown;
  #at = 0;

  constructor(tokens: readonly Token[], end: Token, word: (token: Token) => bigint | Unknown) {
    this.#tokens = tokens;
    this.#end = end;
    this.#word = word;
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? this.#end;
  }

  #accept(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false;
    this.#at += 1;
    return true;
  }

  finish(): void {
    if (this.#at < this.#tokens.length) throw unreadable(this.#peek(), "the condition ends before");
  }

  choice(depth: number): Value {
    const condition = this.#binary(0, depth);
    if (!this.#accept("?")) return condition;
    this.#limit(depth);
    const yes = this.choice(depth + 1);
    if (!this.#accept(":")) throw unreadable(this.#peek(), `":" must follow the first value of ?`);
    const no = this.choice(depth + 1);
    if (typeof condition === "bigint") return condition !== 0n ? yes : no;
    return yes === no ? yes : condition;
  }

  #limit(depth: number): void {
    if (depth > DEEPEST) {
      throw outOfBounds(this.#peek(), `this is nested more than ${DEEPEST} deep`);
    }
  }

  #binary(level: number, depth: number): Value {
    if (level === STRENGTH.length) return this.#operand(depth);
    let left = this.#binary(level + 1, depth);
    for (;;) {
      const token = this.#peek();
      const next = this.#tokens[this.#at + 1];
      const shift = token.text === ">" && next?.text === ">" && next.adjacent;
      const text = shift ? ">>" : token.text;
      if (token.kind !== "mark" || !STRENGTH[level]!.includes(text)) return left;
      this.#at += shift ? 2 : 1;
      left = combine(token, text, left, this.#binary(level + 1, depth));
    }
  }

  #operand(depth: number): Value {
    const token = this.#peek();
    this.#limit(depth);
    this.#at += 1;
    switch (token.kind) {
      case "number":
        return literal(token).value;
      case "literal":
        return character(token).value;
      case "undecided":
        return { error: token.undecided!.error };
      case "word": {
        const value = this.#word(token);
        if (this.#peek().text === "(") this.#skipArguments(token);
        return value;
      }
    }
    if (token.text === "(") {
      const inner = this.choice(depth + 1);
      if (!this.#accept(")")) throw unreadable(this.#peek(), `")" must follow the expression`);
      return inner;
    }
    if (!["+", "-", "!", "~"].includes(token.text)) {
      throw unreadable(token, "a number is expected here");
    }
    const value = this.#operand(depth + 1);
    if (typeof value !== "bigint") return token.text === "!" && value.least! > 0n ? 0n : value;
    switch (token.text) {
      case "-":
        return wrap(-value);
      case "!":
        return truth(value === 0n);
      case "~":
        return wrap(~value);
    }
    return value;
  }

  #skipArguments(name: Token): void {
    let open = 0;
    do {
      const token = this.#tokens[this.#at++];
      if (token === undefined) throw unreadable(name, "its arguments are not closed");
      if (token.text === "(") open += 1;
      if (token.text === ")") open -= 1;
    } while (open > 0);
  }
}

function wrap(value: bigint): bigint {
  return BigInt.asIntN(64, value);
}

function truth(value: boolean): bigint {
  return value ? 1n : 0n;
}

function combine(operator: Token, text: string, left: Value, right: Value): Value {
  const known = typeof left === "bigint" && typeof right === "bigint";
  if (text === "&&" || text === "||") {
    const decides = (value: Value): boolean =>
      typeof value === "bigint"
        ? (value !== 0n) === (text === "||")
        : text === "||" && value.least! > 0n;
    if (decides(left) || decides(right)) return truth(text === "||");
    return known
      ? truth(text === "&&")
      : typeof left === "bigint" || (left.least! > 0n && typeof right !== "bigint")
      ? right
      : left;
  }
  if (!known) return compareLeast(text, left, right);
  switch (text) {
    case "|":
      return left | right;
    case "^":
      return left ^ right;
    case "&":
      return left & right;
    case "==":
      return truth(left === right);
    case "!=":
      return truth(left !== right);
    case "<":
      return truth(left < right);
    case ">":
      return truth(left > right);
    case "<=":
      return truth(left <= right);
    case ">=":
      return truth(left >= right);
    case "+":
      return wrap(left + right);
    case "-":
      return wrap(left - right);
    case "*":
      return wrap(left * right);
  }
  if (text === "<<" || text === ">>") {
    if (right < 0n || right > 63n) throw outOfBounds(operator, "this shifts by 0 to 63");
    return wrap(text === "<<" ? left << right : left >> right);
  }
  if (right === 0n) throw outOfBounds(operator, "this divides by zero");
  return text === "/" ? left / right : left % right;
}

/** Compares a number of which only the least is known. */
function compareLeast(text: string, left: Value, right: Value): Value {
  const unknown = typeof left === "bigint" ? right as Unknown : left;
  if (typeof left === "bigint" || typeof right !== "bigint" || left.least === undefined) {
    return { error: unknown.error };
  }
  if (left.least >= right) {
    if (text === ">=") return 1n;
    if (text === "<") return 0n;
  }
  if (left.least > right) {
    if (text === ">" || text === "!=") return 1n;
    if (text === "<=" || text === "==") return 0n;
  }
  return { error: left.error };
}
