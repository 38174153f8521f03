/**
 * Evaluates integer constant expressions, such as the `1 << 4` of `char name[1 << 4]`. Internal.
 *
 * Every step has its C type. A step whose result does not fit that type is refused: in C it would wrap or
 * be undefined, and neither is the intended size. A cast wraps, as the text asks for it.
 */

import { outOfBounds, type Token, unreadable } from "./token.ts";
import type { Tokens } from "./token_stream.ts";

/** A value with its C type. */
export interface Constant {
  readonly value: bigint;
  readonly type: IntegerType;
}

/** The integer types of arithmetic, in the order in which C converts one to another. */
const TYPES = ["int", "unsigned int", "long", "unsigned long"] as const;
export type IntegerType = typeof TYPES[number];

/** The largest nesting depth of parentheses, signs and choices. */
const DEEPEST = 64;

const STRENGTH: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};

const NUMBER = /^(0x[0-9a-f]+|0b[01]+|[0-9]+)((?:u(?:l|ll)?|(?:l|ll)u?)?)$/i;
const CHARACTER = /^'(?:([^\\])|\\(?:([abefnrtv0'"?\\])|([0-7]{1,3})|x([0-9a-fA-F]{1,2})))'$/;
const ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  e: 27,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

function bits(type: IntegerType): number {
  return type.endsWith("long") ? 64 : 32;
}

function isUnsigned(type: IntegerType): boolean {
  return type.startsWith("unsigned");
}

function fits(value: bigint, type: IntegerType): boolean {
  const wrapped = isUnsigned(type)
    ? BigInt.asUintN(bits(type), value)
    : BigInt.asIntN(bits(type), value);
  return wrapped === value;
}

/** What a constant of an enum is before the enum ends: an int if it fits, or else of the type of its value. */
export function enumerator({ value, type }: Constant): Constant {
  return { value, type: fits(value, "int") ? "int" : type };
}

/** The constant of an enum after this one: gcc makes it a long if its type does not hold it. */
export function nextEnumerator(at: Token, { value, type }: Constant): Constant {
  const next = value + 1n;
  const found = ([type, "long", "unsigned long"] as const).find((type) => fits(next, type));
  if (found === undefined) throw outOfBounds(at, "the number does not fit 64 bits");
  return { value: next, type: found };
}

/** Returns a value that is cast to an integer of this many bytes. */
export function castConstant({ value }: Constant, bytes: number, unsigned: boolean): Constant {
  const wrapped = unsigned ? BigInt.asUintN(bytes * 8, value) : BigInt.asIntN(bytes * 8, value);
  if (bytes < 4) return { value: wrapped, type: "int" };
  return { value: wrapped, type: `${unsigned ? "unsigned " : ""}${bytes === 4 ? "int" : "long"}` };
}

/** The value of a number, which must be an integer. */
export function literal(token: Token): Constant {
  const [, digits, suffix] = NUMBER.exec(token.text.replaceAll("'", "")) ?? [];
  if (digits === undefined || suffix === undefined || /lL|Ll/.test(suffix)) {
    throw unreadable(token, "this is not an integer of C");
  }
  const decimal = !digits.startsWith("0");
  if (/^0[0-9]*[89]/.test(digits)) throw unreadable(token, "this is not an integer of C");
  const value = BigInt(/^0[0-9]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const type = TYPES.find((type) =>
    fits(value, type) &&
    (/u/i.test(suffix) ? isUnsigned(type) : !decimal || !isUnsigned(type)) &&
    (!/l/i.test(suffix) || bits(type) === 64)
  );
  if (type === undefined) throw outOfBounds(token, "the number does not fit 64 bits");
  return { value, type };
}

/** The value of a character of ASCII; others are negative numbers for some compilers. */
export function character(token: Token): Constant {
  const [found, plain, escape, octal, hex] = CHARACTER.exec(token.text) ?? [];
  const code = plain !== undefined
    ? plain.codePointAt(0)!
    : escape !== undefined
    ? ESCAPES[escape] ?? (escape === "0" ? 0 : escape.charCodeAt(0))
    : octal !== undefined
    ? parseInt(octal, 8)
    : parseInt(hex ?? "", 16);
  if (found === undefined || !(code < 0x80)) {
    throw unreadable(token, "this is not a number here: write the number of a character of ASCII");
  }
  return { value: BigInt(code), type: "int" };
}

/** Reads a word in the place of a number, or a type in parentheses. */
export interface Words {
  /** Returns the value of a word, after taking the tokens that belong to it, or `undefined`. */
  word(token: Token): Constant | undefined;
  /** Returns what a cast to the type here makes of a value, or `undefined` if no type starts here. */
  cast?(): ((value: Constant) => Constant) | undefined;
}

/**
 * Reads an expression up to the first token that cannot be part of it. In the arguments of a template, a
 * `>` outside parentheses is such a token.
 */
export function constantExpression(tokens: Tokens, words: Words, template = false): Constant {
  return new Expression(tokens, words, template).choice(0);
}

class Expression {
  readonly #tokens: Tokens;
  readonly #words: Words;
  /** Whether the result of this part is not used, so that nothing in it is out of range. */
  #unused = false;
  /** Whether a `>` ends it. */
  #template: boolean;

  constructor(tokens: Tokens, words: Words, template: boolean) {
    this.#tokens = tokens;
    this.#words = words;
    this.#template = template;
  }

  /** An expression with `?:`. */
  choice(depth: number): Constant {
    const tokens = this.#tokens;
    const condition = this.#binary(1, depth);
    if (!tokens.at("?")) return condition;
    const mark = tokens.take();
    if (depth > DEEPEST) throw outOfBounds(mark, `this is nested more than ${DEEPEST} deep`);
    const first = condition.value !== 0n;
    const yes = this.#when(first, () => this.choice(depth + 1));
    tokens.expect(":", "the first value of ?");
    const no = this.#when(!first, () => this.choice(depth + 1));
    return this.#checked(mark, (first ? yes : no).value, common(yes, no));
  }

  #when(used: boolean, read: () => Constant): Constant {
    const before = this.#unused;
    this.#unused ||= !used;
    const result = read();
    this.#unused = before;
    return result;
  }

  #checked(at: Token, value: bigint, type: IntegerType): Constant {
    if (!fits(value, type)) {
      if (this.#unused) return { value: 1n, type };
      throw outOfBounds(at, `the result does not fit C's ${type}: write a number with UL after it`);
    }
    return { value, type };
  }

  #operand(depth: number): Constant {
    const tokens = this.#tokens;
    const token = tokens.take();
    if (depth > DEEPEST) throw outOfBounds(token, `this is nested more than ${DEEPEST} deep`);
    switch (token.kind) {
      case "number":
        return literal(token);
      case "literal":
        return character(token);
      case "word": {
        const constant = this.#words.word(token);
        if (constant !== undefined) return constant;
        throw unreadable(
          token,
          "this is not a number known here: write the number, or #define it before",
        );
      }
    }
    switch (token.text) {
      case "(": {
        const cast = this.#words.cast?.();
        if (cast !== undefined) {
          tokens.expect(")", "the type");
          return cast(this.#operand(depth + 1));
        }
        const template = this.#template;
        this.#template = false;
        const inner = this.choice(depth + 1);
        this.#template = template;
        tokens.expect(")", "the expression in parentheses");
        return inner;
      }
      case "+":
        return this.#operand(depth + 1);
      case "!":
        return truth(this.#operand(depth + 1).value === 0n);
      case "-": {
        const { value, type } = this.#operand(depth + 1);
        return this.#checked(token, -value, type);
      }
      case "~": {
        const { value, type } = this.#operand(depth + 1);
        return { value: isUnsigned(type) ? BigInt.asUintN(bits(type), ~value) : ~value, type };
      }
    }
    throw unreadable(token, "a number is expected here");
  }

  /** The operator here. Two `>` without a space are one operator. */
  #operator(): string {
    const { kind, text } = this.#tokens.peek();
    if (kind !== "mark" || (text === ">" && this.#template)) return "";
    const next = this.#tokens.peek(text === ">" ? 1 : 0);
    return text === ">" && next.text === ">" && next.adjacent ? ">>" : text;
  }

  #binary(least: number, depth: number): Constant {
    let left = this.#operand(depth);
    for (;;) {
      const text = this.#operator();
      const strength = Object.hasOwn(STRENGTH, text) ? STRENGTH[text] : undefined;
      if (strength === undefined || strength < least) return left;
      const operator = this.#tokens.take();
      if (text === ">>") this.#tokens.take();
      const decided = text === "&&" ? left.value === 0n : text === "||" && left.value !== 0n;
      const right = this.#when(!decided, () => this.#binary(strength + 1, depth));
      left = this.#operate(operator, text, left, right);
    }
  }

  #operate(operator: Token, text: string, left: Constant, right: Constant): Constant {
    if (text === "&&") return truth(left.value !== 0n && right.value !== 0n);
    if (text === "||") return truth(left.value !== 0n || right.value !== 0n);
    if (text === "<<" || text === ">>") {
      const { value, type } = left;
      if (right.value < 0n || right.value >= BigInt(bits(type))) {
        if (this.#unused) return left;
        throw outOfBounds(operator, `C's ${type} shifts by 0 to ${bits(type) - 1}`);
      }
      const shifted = text === "<<" ? value << right.value : value >> right.value;
      return this.#checked(operator, shifted, type);
    }
    const type = common(left, right);
    const a = this.#checked(operator, left.value, type).value;
    const b = this.#checked(operator, right.value, type).value;
    const result = combine(text, a, b);
    if (result === undefined) {
      if (this.#unused) return { value: 1n, type };
      throw outOfBounds(operator, "this divides by zero");
    }
    return typeof result === "boolean" ? truth(result) : this.#checked(operator, result, type);
  }
}

/**
 * What an operator makes of two numbers of one type: a truth, or a number that may not fit the type.
 * Returns `undefined` for a division by zero.
 */
export function combine(text: string, a: bigint, b: bigint): boolean | bigint | undefined {
  switch (text) {
    case "==":
      return a === b;
    case "!=":
      return a !== b;
    case "<":
      return a < b;
    case ">":
      return a > b;
    case "<=":
      return a <= b;
    case ">=":
      return a >= b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
  }
  if (b === 0n) return undefined;
  return text === "/" ? a / b : a % b;
}

function common(left: Constant, right: Constant): IntegerType {
  return TYPES[Math.max(TYPES.indexOf(left.type), TYPES.indexOf(right.type))]!;
}

function truth(value: boolean): Constant {
  return { value: value ? 1n : 0n, type: "int" };
}
