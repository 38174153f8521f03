/**
 * Macros: their definitions and their expansion, with parameters, `#` and `##`. Internal: used by the
 * preprocessor.
 *
 * The number of tokens and of characters that macros make is limited, because each macro can double those of
 * another.
 */

import { outOfBounds, scanAll, type Token, unreadable } from "./token.ts";

/** The most tokens that the macros of a text make. */
const MOST_TOKENS = 2 ** 20;

/** The most characters that the macros of a text make. */
const MOST_CHARACTERS = 2 ** 24;

/** The largest nesting depth of macros, and of macros in the arguments of macros. */
const DEEPEST = 64;

/** The most tokens of the arguments of one macro. */
const LONGEST_ARGUMENTS = 65536;

/** The definition of a macro. */
export interface Macro {
  readonly body: readonly Token[];
  /** The names of the parameters; `undefined` if it takes none. */
  readonly parameters?: readonly string[];
  /** Whether the last parameter takes all further arguments. */
  readonly variadic?: boolean;
}

/** Reads what follows the name in a `#define`. */
export function readMacro(name: Token, [opening, ...rest]: readonly Token[]): Macro {
  if (opening?.text !== "(" || !opening.adjacent) {
    return { body: opening === undefined ? [] : [opening, ...rest] };
  }
  const close = rest.findIndex(({ text }) => text === ")");
  if (close === -1) throw unreadable(name, "the list of its parameters is not closed");
  const inside = rest.slice(0, close).map(({ text }) => text).filter((text) => text !== ",");
  const variadic = inside.at(-1) === "...";
  if (variadic) {
    inside.pop();
    const named = rest[close - 2];
    if (named === undefined || named.text === ",") inside.push("__VA_ARGS__");
  }
  return { body: rest.slice(close + 1), parameters: inside, variadic };
}

/** The tokens of a macro that are still to be read. */
interface Frame {
  readonly tokens: readonly Token[];
  at: number;
  /** The macro, which is not expanded within itself. */
  readonly name?: string;
}

/** A source of tokens: `undefined` at its end. */
export type Source = () => Token | undefined;

/** Expands the macros of a text. */
export class MacroExpander {
  readonly #lookup: (name: Token) => Macro | undefined;
  #made = 0;
  #characters = 0;

  /** `lookup` returns the macro of a word, if it is one. It throws if that is not known. */
  constructor(lookup: (name: Token) => Macro | undefined) {
    this.#lookup = lookup;
  }

  /** Returns a source of the tokens of another one after expansion. */
  over(source: Source): Source {
    const expansion = new Expansion(this, source, 0);
    return () => expansion.next();
  }

  /**
   * Returns the tokens of a list after expansion. `operator` may replace a word, and takes the tokens after
   * it that are not to be expanded.
   */
  expand(
    tokens: readonly Token[],
    depth = 0,
    operator?: (word: Token, next: Source) => Token | undefined,
  ): Token[] {
    let at = 0;
    const expansion = new Expansion(this, () => tokens[at++], depth);
    const out: Token[] = [];
    for (let token = expansion.next(); token !== undefined; token = expansion.next()) {
      out.push(operator?.(token, () => expansion.raw()) ?? token);
    }
    return out;
  }

  macro(word: Token): Macro | undefined {
    return this.#lookup(word);
  }

  /** Counts tokens that macros make; empty macros count too, because they take time. */
  count(place: Token, tokens: number): void {
    this.#made += 1 + tokens;
    if (this.#made > MOST_TOKENS) {
      throw outOfBounds(place, `the macros make more than ${MOST_TOKENS} words and marks`);
    }
  }

  /** Counts characters that macros make. A caller counts them before it makes the text. */
  countCharacters(place: Token, characters: number): void {
    this.#characters += characters;
    if (this.#characters > MOST_CHARACTERS) {
      throw outOfBounds(place, `the macros make more than ${MOST_CHARACTERS} characters`);
    }
  }
}

/** One expansion: of the text, or of one argument. */
class Expansion {
  readonly #expander: MacroExpander;
  readonly #source: Source;
  readonly #depth: number;
  readonly #frames: Frame[] = [];
  readonly #active = new Set<string>();
  #pushedBack: Token | undefined;

  constructor(expander: MacroExpander, source: Source, depth: number) {
    this.#expander = expander;
    this.#source = source;
    this.#depth = depth;
  }

  next(): Token | undefined {
    for (;;) {
      const token = this.raw();
      if (token?.kind !== "word" || token.final === true) return token;
      const macro = this.#expander.macro(token);
      if (macro === undefined) return token;
      if (this.#active.has(token.text)) return { ...token, final: true };
      if (macro.parameters !== undefined) {
        const opening = this.raw();
        if (opening?.text !== "(") {
          this.#pushedBack = opening;
          return token;
        }
      }
      const args = macro.parameters === undefined ? [] : this.#arguments(token, macro);
      const tokens = this.#substitute(token, macro, args);
      this.#expander.count(token, tokens.length);
      this.#expander.countCharacters(token, characters(tokens));
      if (this.#frames.length >= DEEPEST) {
        throw outOfBounds(token, `macros are nested more than ${DEEPEST} deep in macros`);
      }
      this.#frames.push({ tokens, at: 0, name: token.text });
      this.#active.add(token.text);
    }
  }

  /** The next token before expansion. */
  raw(): Token | undefined {
    const back = this.#pushedBack;
    if (back !== undefined) {
      this.#pushedBack = undefined;
      return back;
    }
    for (;;) {
      const frame = this.#frames.at(-1);
      if (frame === undefined) return this.#source();
      const token = frame.tokens[frame.at++];
      if (token !== undefined) return token;
      this.#frames.pop();
      if (frame.name !== undefined) this.#active.delete(frame.name);
    }
  }

  /** Reads the arguments up to the closing parenthesis. */
  #arguments(name: Token, { parameters = [], variadic = false }: Macro): Token[][] {
    const args: Token[][] = [[]];
    let count = 0;
    for (let open = 1;;) {
      const token = this.raw();
      if (token === undefined || token.kind === "end") {
        throw unreadable(name, "the arguments of this macro are not closed");
      }
      if (++count > LONGEST_ARGUMENTS) {
        throw outOfBounds(name, `its arguments are more than ${LONGEST_ARGUMENTS} words and marks`);
      }
      if (token.text === "(") open += 1;
      if (token.text === ")") open -= 1;
      if (open === 0) break;
      const rest = variadic && args.length === parameters.length;
      if (token.text === "," && open === 1 && !rest) args.push([]);
      else args.at(-1)!.push(token);
    }
    if (parameters.length === 0 && args.length === 1 && args[0]!.length === 0) return [];
    if (variadic && args.length === parameters.length - 1) args.push([]);
    if (args.length !== parameters.length) {
      throw unreadable(name, `this macro takes ${parameters.length} arguments, got ${args.length}`);
    }
    return args;
  }

  /** The text of a macro with its arguments, at the place of its name. */
  #substitute(place: Token, { body, parameters = [], variadic }: Macro, args: Token[][]): Token[] {
    const out: Token[] = [];
    const at = (token: Token): Token => ({
      ...token,
      line: place.line,
      column: place.column,
      first: false,
      expanded: true,
    });
    const expanded: (Token[] | undefined)[] = [];
    const indexes = new Map(parameters.map((name, i) => [name, i]));
    const argument = (token: Token | undefined): number =>
      token?.kind === "word" ? indexes.get(token.text) ?? -1 : -1;
    for (let i = 0; i < body.length; i++) {
      const token = body[i]!;
      const index = argument(token);
      if (token.text === "#" && parameters.length > 0 && argument(body[i + 1]) !== -1) {
        const quoted = args[argument(body[++i])]!;
        this.#expander.countCharacters(place, characters(quoted));
        const text = quoted.map(({ text, adjacent }) => (adjacent ? "" : " ") + text).join("")
          .trim();
        out.push(at({ ...token, kind: "literal", text: JSON.stringify(text) }));
      } else if (token.text === "##" && out.length > 0 && i + 1 < body.length) {
        const next = body[++i]!;
        const pasted = argument(next) === -1 ? [next] : args[argument(next)]!;
        const isRest = variadic === true && argument(next) === parameters.length - 1;
        if (out.at(-1)!.text === "," && isRest) {
          // gcc: the comma goes if no further arguments are given
          if (pasted.length === 0) out.pop();
          else out.push(...pasted.map(at));
        } else if (pasted.length > 0) out.push(...this.#paste(place, out.pop()!, pasted).map(at));
      } else if (index === -1) out.push(at(token));
      else if (body[i + 1]?.text === "##") {
        // An empty argument leaves nothing to paste to
        if (args[index]!.length > 0) out.push(...args[index]!.map(at));
        else if (i + 2 < body.length) {
          i += 2;
          const next = body[i]!;
          out.push(...(argument(next) === -1 ? [next] : args[argument(next)]!).map(at));
        }
      } else {
        if (this.#depth >= DEEPEST) {
          throw outOfBounds(place, `macros are nested more than ${DEEPEST} deep in arguments`);
        }
        expanded[index] ??= this.#expander.expand(args[index]!, this.#depth + 1);
        out.push(...expanded[index].map(at));
      }
      if (out.length > MOST_TOKENS) this.#expander.count(place, out.length);
    }
    return out;
  }

  #paste(place: Token, left: Token, [right, ...rest]: readonly Token[]): Token[] {
    this.#expander.countCharacters(place, left.text.length + right!.text.length);
    const made = scanAll(left.text + right!.text);
    if (made.length !== 1) throw unreadable(place, "its ## does not make one word or mark");
    return [made[0]!, ...rest];
  }
}

function characters(tokens: readonly Token[]): number {
  return tokens.reduce((sum, { text }) => sum + text.length, 0);
}
