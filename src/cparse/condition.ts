/**
 * Decides the conditions of `#if`. A part that only the user knows does not matter if the other parts
 * decide: `0 && X` is false. Internal: used by the preprocessor.
 */

import { character, combine, literal } from "./constant.ts";
import { outOfBounds, type Token, unreadable } from "./token.ts";

/** The largest nesting depth of parentheses, signs and choices. */
const DEEPEST = 64;

/** A number of intmax_t or uintmax_t: the preprocessor of C has no other types. */
interface Known {
  readonly value: bigint;
  readonly unsigned: boolean;
}

/** A number, or why it is not known. */
type Value = Known | Unknown;

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
  return truthOf(value) ?? (value as Unknown);
}

class Condition {
  readonly #tokens: readonly Token[];
  readonly #end: Token;
  readonly #word: (token: Token) => bigint | Unknown;
  #at = 0;
  /** Whether the result of this part is not used, so that nothing in it is out of range. */
  #unused = false;

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
    const first = truthOf(condition);
    const yes = this.#when(first !== false, () => this.choice(depth + 1));
    if (!this.#accept(":")) throw unreadable(this.#peek(), `":" must follow the first value of ?`);
    const no = this.#when(first !== true, () => this.choice(depth + 1));
    if (first === undefined) return same(yes, no) ?? (condition as Unknown);
    const [chosen, other] = first ? [yes, no] : [no, yes];
    if (!isKnown(chosen) || (!isKnown(other) && chosen.unsigned)) return chosen;
    // Its type depends on the other one, and so does what an operator makes of it
    if (!isKnown(other)) return { error: other.error, least: chosen.value };
    return convert(chosen.value, chosen.unsigned || other.unsigned);
  }

  #when(used: boolean, read: () => Value): Value {
    const before = this.#unused;
    this.#unused ||= !used;
    const result = read();
    this.#unused = before;
    return result;
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
      const decided = text === "&&" ? false : text === "||" ? true : undefined;
      const skips = decided !== undefined && truthOf(left) === decided;
      const right = this.#when(!skips, () => this.#binary(level + 1, depth));
      left = this.#combine(token, text, left, right);
    }
  }

  #operand(depth: number): Value {
    const token = this.#peek();
    this.#limit(depth);
    this.#at += 1;
    switch (token.kind) {
      case "number":
        return number(token);
      case "literal":
        return convert(character(token).value, false);
      case "undecided":
        return { error: token.undecided!.error };
      case "word": {
        const value = this.#word(token);
        if (this.#peek().text === "(") this.#skipArguments(token);
        return typeof value === "bigint" ? convert(value, false) : value;
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
    if (token.text === "!") {
      const holds = truthOf(value);
      return holds === undefined ? { error: (value as Unknown).error } : truth(!holds);
    }
    if (token.text === "+") return value;
    if (!isKnown(value)) return { error: value.error };
    return convert(token.text === "-" ? -value.value : ~value.value, value.unsigned);
  }

  #combine(operator: Token, text: string, left: Value, right: Value): Value {
    if (text === "&&" || text === "||") {
      const decides = text === "||";
      const holds = [truthOf(left), truthOf(right)];
      if (holds.includes(decides)) return truth(decides);
      if (!holds.includes(undefined)) return truth(!decides);
      return { error: ((holds[0] === undefined ? left : right) as Unknown).error };
    }
    if (!isKnown(left) || !isKnown(right)) return compareLeast(text, left, right);
    if (text === "<<" || text === ">>") {
      const by = right.value;
      if (by < 0n || by > 63n) return this.#outOfRange(operator, "this shifts by 0 to 63", left);
      return convert(text === "<<" ? left.value << by : left.value >> by, left.unsigned);
    }
    const unsigned = left.unsigned || right.unsigned;
    const a = convert(left.value, unsigned).value;
    const b = convert(right.value, unsigned).value;
    const result = combine(text, a, b);
    if (result === undefined) {
      // Where it is not used, its type counts: clang takes that of both, and gcc that of the dividend
      if (this.#unused && left.unsigned !== unsigned) {
        const problem = "compilers differ in whether this division by zero is signed";
        return { error: outOfBounds(operator, problem) };
      }
      return this.#outOfRange(operator, "this divides by zero", convert(a, unsigned));
    }
    return typeof result === "boolean" ? truth(result) : convert(result, unsigned);
  }

  /** Refuses an operation without a result, except where the result is not used. */
  #outOfRange(operator: Token, problem: string, instead: Known): Known {
    if (this.#unused) return instead;
    throw outOfBounds(operator, problem);
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

function isKnown(value: Value): value is Known {
  return "value" in value;
}

/** A number of intmax_t or uintmax_t. One that does not fit wraps. */
function convert(value: bigint, unsigned: boolean): Known {
  return { value: unsigned ? BigInt.asUintN(64, value) : BigInt.asIntN(64, value), unsigned };
}

function truth(value: boolean): Known {
  return { value: value ? 1n : 0n, unsigned: false };
}

/** Whether a number is not 0; `undefined` if that is not known. */
function truthOf(value: Value): boolean | undefined {
  if (isKnown(value)) return value.value !== 0n;
  return value.least! > 0n ? true : undefined;
}

/** What a literal is: 0xffffffff is signed here, because intmax_t holds it. */
function number(token: Token): Known {
  const { value } = literal(token);
  return convert(value, /u/i.test(token.text) || value >= 2n ** 63n);
}

/** The number that both are, if they are the same. */
function same(left: Value, right: Value): Known | undefined {
  if (!isKnown(left) || !isKnown(right)) return undefined;
  const unsigned = left.unsigned || right.unsigned;
  const a = convert(left.value, unsigned);
  return a.value === convert(right.value, unsigned).value ? a : undefined;
}

/** Compares a number of which only the least is known. */
function compareLeast(text: string, left: Value, right: Value): Value {
  if (isKnown(left)) return { error: (right as Unknown).error };
  // As a number of uintmax_t, a negative one is large
  if (!isKnown(right) || right.value < 0n || left.least === undefined) {
    return { error: left.error };
  }
  if (left.least >= right.value) {
    if (text === ">=") return truth(true);
    if (text === "<") return truth(false);
  }
  if (left.least > right.value) {
    if (text === ">" || text === "!=") return truth(true);
    if (text === "<=" || text === "==") return truth(false);
  }
  return { error: left.error };
}
