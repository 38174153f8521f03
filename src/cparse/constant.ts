/**
 * Evaluates integer constant expressions, such as the `1 << 4` of `char name[1 << 4]`. Internal.
 *
 * Every step has its C type. A step whose result does not fit that type is refused: in C it would wrap or
 * be undefined, and neither is the intended size.
 */

import { outOfBounds, type Token, type Tokens, unreadable } from "./token.ts";

/** A value with its C type. */
export interface Constant {
  readonly value: bigint;
  readonly type: IntegerType;
}

/** The integer types of arithmetic, in the order in which C converts one to another. */
const TYPES = ["int", "unsigned int", "long", "unsigned long"] as const;
export type IntegerType = typeof TYPES[number];

/** The largest nesting depth of parentheses and signs. */
const DEEPEST = 64;

const STRENGTH: Readonly<Record<string, number>> = {
  "|": 1,
  "^": 2,
  "&": 3,
  "<<": 4,
  ">>": 4,
  "+": 5,
  "-": 5,
  "*": 6,
  "/": 6,
  "%": 6,
};

const NUMBER = /^(0x[0-9a-f]+|0b[01]+|[0-9]+)((?:u(?:l|ll)?|(?:l|ll)u?)?)$/i;

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

function checked(at: Token, value: bigint, type: IntegerType): Constant {
  if (!fits(value, type)) {
    throw outOfBounds(at, `the result does not fit C's ${type}: write a number with UL after it`);
  }
  return { value, type };
}

/** Returns a value with the first type that holds it, beginning with `int`. */
export function smallestConstant(at: Token, value: bigint): Constant {
  const type = TYPES.find((type) => fits(value, type));
  if (type === undefined) throw outOfBounds(at, "the number does not fit 64 bits");
  return { value, type };
}

function literal(token: Token): Constant {
  const [, digits, suffix] = NUMBER.exec(token.text.replaceAll("'", "")) ?? [];
  if (digits === undefined || suffix === undefined || /lL|Ll/.test(suffix)) {
    throw unreadable(token, "this is no integer of C");
  }
  const decimal = !digits.startsWith("0");
  if (/^0[0-9]*[89]/.test(digits)) throw unreadable(token, "this is no integer of C");
  const value = BigInt(/^0[0-9]/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const type = TYPES.find((type) =>
    fits(value, type) &&
    (/u/i.test(suffix) ? isUnsigned(type) : !decimal || !isUnsigned(type)) &&
    (!/l/i.test(suffix) || bits(type) === 64)
  );
  if (type === undefined) throw outOfBounds(token, "the number does not fit 64 bits");
  return { value, type };
}

function operate(operator: Token, left: Constant, right: Constant): Constant {
  const { text } = operator;
  if (text === "<<" || text === ">>") {
    const { value, type } = left;
    if (right.value < 0n || right.value >= BigInt(bits(type))) {
      throw outOfBounds(operator, `C's ${type} shifts by 0 to ${bits(type) - 1}`);
    }
    return checked(operator, text === "<<" ? value << right.value : value >> right.value, type);
  }
  const type = TYPES[Math.max(TYPES.indexOf(left.type), TYPES.indexOf(right.type))]!;
  const a = checked(operator, left.value, type).value;
  const b = checked(operator, right.value, type).value;
  switch (text) {
    case "+":
      return checked(operator, a + b, type);
    case "-":
      return checked(operator, a - b, type);
    case "*":
      return checked(operator, a * b, type);
    case "&":
      return checked(operator, a & b, type);
    case "|":
      return checked(operator, a | b, type);
    case "^":
      return checked(operator, a ^ b, type);
  }
  if (b === 0n) throw outOfBounds(operator, "this divides by zero");
  return checked(operator, text === "/" ? a / b : a % b, type);
}

/**
 * Reads an expression up to the first token that cannot be part of it. `word` returns the value of a word
 * in the place of a number, after taking the tokens that belong to it, or `undefined`.
 */
export function constantExpression(
  tokens: Tokens,
  word: (token: Token) => Constant | undefined,
): Constant {
  function operand(depth: number): Constant {
    const token = tokens.take();
    if (depth > DEEPEST) throw outOfBounds(token, `this stands more than ${DEEPEST} deep`);
    if (token.kind === "number") return literal(token);
    if (token.kind === "word") {
      const constant = word(token);
      if (constant !== undefined) return constant;
      throw unreadable(
        token,
        "this is no number known here: write the number, or #define it before",
      );
    }
    switch (token.text) {
      case "(": {
        const inner = expression(1, depth + 1);
        tokens.expect(")", "the expression in parentheses");
        return inner;
      }
      case "+":
        return operand(depth + 1);
      case "-": {
        const { value, type } = operand(depth + 1);
        return checked(token, -value, type);
      }
      case "~": {
        const { value, type } = operand(depth + 1);
        return { value: isUnsigned(type) ? BigInt.asUintN(bits(type), ~value) : ~value, type };
      }
    }
    throw unreadable(token, "a number is expected here");
  }

  function expression(least: number, depth: number): Constant {
    let left = operand(depth);
    for (;;) {
      const { kind, text } = tokens.peek();
      const strength = kind === "mark" ? STRENGTH[text] : undefined;
      if (strength === undefined || strength < least) return left;
      const operator = tokens.take();
      left = operate(operator, left, expression(strength + 1, depth));
    }
  }

  return expression(1, 0);
}
