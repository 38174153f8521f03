/**
 * Preprocesses the tokens of a C text without other files: macros, conditions that the text or the
 * platform decides, header guards, `#pragma pack`. Internal: used by `parseStruct`. It never guesses: lines
 * of which only the user knows whether they count are refused, or marked where the parser can go on.
 */

import { decide, type Unknown } from "./condition.ts";
import { type Macro, MacroExpander, readMacro, type Source } from "./macro.ts";
import { AT_LEAST, DEFINED, NOT_DEFINED, VALUES } from "./platform.ts";
import { outOfBounds, scanAll, Scanner, type Token, unreadable } from "./token.ts";

/** The most tokens of lines that are not decided. */
const MOST_SKIPPED = 2 ** 20;

/** Pragmas that change layouts or macros in ways that are not supported. All others change neither. */
const UNKNOWN_PRAGMA =
  /^(scalar_storage_order|ms_struct|options|push_macro|pop_macro|pointers_to_members)\b/;

/** Included files that exist to change the packing. */
const PACKING_FILE =
  /pshpack|poppack|(push|pop|begin|end|start)_?pack|pack(ed|ing)?_?(push|pop|begin|end|start)/i;

/** An open `#if`. */
interface Branch {
  readonly opened: Token;
  /** Whether its lines are used. */
  taken: boolean;
  /** Whether lines of an earlier branch were used. */
  done: boolean;
  /** Whether the lines around it are used. */
  readonly outer: boolean;
  hasElse: boolean;
  /** Why it is not known whether its lines are used, and its tokens. */
  undecided?: { readonly error: TypeError; readonly skipped: Token[] };
}

/** What the user says about macros: a value, or false for one that is not defined. */
export type Defines = Readonly<Record<string, string | false>>;

/** How a text is preprocessed. */
export interface PreprocessOptions {
  readonly define: Defines;
  /** Whether lines that are not decided become one token, so that the parser can go on. */
  readonly tolerant: boolean;
}

/** The macros of the platform, made at the first use. */
let predefined: ReadonlyMap<string, Macro> | undefined;

/** Returns a source of the tokens after preprocessing. It ends with `end`, again and again. */
export function preprocess(text: string, options: PreprocessOptions): () => Token {
  return new Preprocessor(text, options).source();
}

class Preprocessor {
  readonly #scanner: Scanner;
  readonly #tolerant: boolean;
  readonly #macros: Map<string, Macro | TypeError>;
  readonly #notDefined = new Set<string>();
  readonly #branches: Branch[] = [];
  readonly #expander = new MacroExpander((word) => this.#lookup(word));
  #ahead: Token | undefined;
  /** A `#` line that is read and not handled. */
  #read: { readonly hash: Token; readonly line: Token[] } | undefined;
  #failed: unknown;

  constructor(text: string, { define, tolerant }: PreprocessOptions) {
    this.#scanner = new Scanner(text);
    this.#tolerant = tolerant;
    predefined ??= new Map(
      Array.from(DEFINED, ([name, value]): [string, Macro] => [name, { body: scanAll(value) }]),
    );
    this.#macros = new Map(predefined);
    for (const [name, value] of Object.entries(define)) {
      if (value === false) {
        this.#macros.delete(name);
        this.#notDefined.add(name);
      } else this.#macros.set(name, { body: scanAll(value) });
    }
  }

  source(): () => Token {
    const expanded = this.#expander.over(() => this.#next());
    return () => {
      // An error in a line leaves no text to go on with
      if (this.#failed !== undefined) throw this.#failed;
      try {
        const token = expanded()!;
        return token.text === "_Pragma" && token.kind === "word"
          ? this.#operator(token, expanded)
          : token;
      } catch (error) {
        this.#failed = error;
        throw error;
      }
    };
  }

  /** The `_Pragma("...")` that begins here, as the token of its line. */
  #operator(keyword: Token, next: Source): Token {
    const [opening, literal, closing] = [next(), next(), next()];
    if (opening?.text !== "(" || literal?.kind !== "literal" || closing?.text !== ")") {
      throw unreadable(keyword, `("...") must follow _Pragma`);
    }
    const words = scanAll(literal.text.slice(1, -1).replace(/\\(["\\])/g, "$1"));
    const token = this.#pragma(keyword, words);
    return token ?? { ...keyword, kind: "mark", text: ";" };
  }

  #lookup(word: Token): Macro | undefined {
    const macro = this.#macros.get(word.text);
    if (!(macro instanceof TypeError)) return macro;
    // A macro of lines that are not decided: its use is what is not decided
    const undecided = { error: macro, skipped: [] };
    return { body: [{ ...word, kind: "undecided", undecided }] };
  }

  #scan(): Token {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    return ahead ?? this.#scanner.next();
  }

  /** The next token that counts, before macros are expanded. */
  #next(): Token {
    for (;;) {
      if (this.#read !== undefined) {
        const { hash, line } = this.#read;
        this.#read = undefined;
        const made = this.#directive(hash, line);
        if (made !== undefined) return made;
        continue;
      }
      const token = this.#scan();
      if (token.first && token.text === "#") {
        const made = this.#directive(token, this.#line());
        if (made !== undefined) return made;
      } else if (token.kind === "end") {
        const open = this.#branches.at(-1);
        if (open !== undefined) throw unreadable(open.opened, "its #endif is missing");
        return token;
      } else if (this.#counts()) return token;
      else this.#skip(token);
    }
  }

  /** The other tokens of a line. */
  #line(): Token[] {
    const line: Token[] = [];
    for (;;) {
      const token = this.#scanner.next();
      if (token.first || token.kind === "end") {
        this.#ahead = token;
        return line;
      }
      line.push(token);
    }
  }

  #counts(): boolean {
    const branch = this.#branches.at(-1);
    return branch === undefined || (branch.outer && branch.taken);
  }

  /** Keeps a token of lines that are not decided: what they declare is not known. */
  #skip(...tokens: Token[]): void {
    const open = this.#branches.find(({ undecided }) => undecided !== undefined);
    const skipped = open?.undecided?.skipped;
    if (skipped === undefined) return;
    if (skipped.length > MOST_SKIPPED) {
      throw outOfBounds(open!.opened, `its lines are more than ${MOST_SKIPPED} words and marks`);
    }
    skipped.push(...tokens);
  }

  /** Handles one `#` line. Returns the token that stands for it, if any. */
  #directive(hash: Token, [name, ...rest]: readonly Token[]): Token | undefined {
    const place = name ?? hash;
    switch (name?.text) {
      case "if":
      case "ifdef":
      case "ifndef":
        this.#open(name, rest);
        return undefined;
      case "elif":
      case "elifdef":
      case "elifndef":
      case "else":
      case "endif":
        return this.#turn(name, rest);
    }
    if (!this.#counts()) {
      this.#skipDirective(place, rest);
      return undefined;
    }
    switch (name?.text) {
      case undefined: // a lone # has no effect
      case "ident":
      case "warning":
      case "line":
        return undefined;
      case "include": // the file is not read: a type that only it defines is refused where it is used
      case "include_next":
      case "import":
        if (PACKING_FILE.test(rest.map(({ text }) => text).join(""))) {
          throw unreadable(place, "this file changes the packing: write #pragma pack in its place");
        }
        return undefined;
      case "define": {
        const [macro, ...body] = rest;
        if (macro?.kind !== "word") throw unreadable(macro ?? place, "#define takes a name");
        this.#macros.set(macro.text, readMacro(macro, body));
        return undefined;
      }
      case "undef": {
        const macro = rest[0]?.text ?? "";
        this.#macros.delete(macro);
        this.#notDefined.add(macro);
        return undefined;
      }
      case "pragma":
        return this.#pragma(place, rest);
    }
    if (place.kind === "number") return undefined; // where gcc -E found the lines
    throw unreadable(place, "this preprocessor line is not supported: leave it out");
  }

  #skipDirective(place: Token, [name, ...rest]: readonly Token[]): void {
    const undecided = this.#branches.find(({ undecided }) => undecided !== undefined)?.undecided;
    if (undecided === undefined || name === undefined) return;
    if (place.text === "define" || place.text === "undef") {
      this.#macros.set(name.text, undecided.error);
    }
    if (place.text === "pragma" || PACKING_FILE.test(rest.map(({ text }) => text).join(""))) {
      this.#skip({ ...place, kind: "pragma" });
    }
  }

  #pragma(place: Token, words: readonly Token[]): Token | undefined {
    const pack = words[0]?.text === "pack";
    if (pack) {
      const macro = words.slice(1).find((word) => this.#macros.has(word.text));
      if (macro !== undefined) {
        throw unreadable(
          macro,
          "clang expands this macro and gcc does not: write what it stands for",
        );
      }
      const text = words.map(({ text }) => text).join("");
      return { ...place, kind: "pragma", text };
    }
    if (UNKNOWN_PRAGMA.test(words[0]?.text ?? "")) {
      throw unreadable(words[0]!, "what this #pragma does is not supported: leave it out");
    }
    return undefined;
  }

  #open(name: Token, rest: readonly Token[]): void {
    const branch: Branch = {
      opened: name,
      outer: this.#counts(),
      taken: false,
      done: false,
      hasElse: false,
    };
    this.#branches.push(branch);
    if (branch.outer) this.#enter(branch, name, rest);
  }

  /** Decides whether the lines after a condition are used. */
  #enter(branch: Branch, directive: Token, rest: readonly Token[]): void {
    const condition = this.#condition(directive, rest);
    if (typeof condition === "boolean") branch.taken = condition;
    else if (this.#tolerant) branch.undecided = { error: condition.error, skipped: [] };
    else throw condition.error;
  }

  #condition(directive: Token, rest: readonly Token[]): boolean | Unknown {
    const [name] = rest;
    if (name === undefined) throw unreadable(directive, "its condition is missing");
    if (directive.text.endsWith("def")) {
      const wanted = !directive.text.endsWith("ndef");
      if (!wanted && directive.text === "ifndef" && this.#guards(name)) return true;
      const defined = this.#defined(name);
      return typeof defined === "boolean" ? defined === wanted : defined;
    }
    const guarded = rest.slice(rest[2]?.text === "(" ? 3 : 2)[0];
    if (
      name.text === "!" && rest[1]?.text === "defined" && guarded !== undefined &&
      rest.length === (rest[2]?.text === "(" ? 5 : 3) && this.#guards(guarded)
    ) return true;
    const tokens = this.#expander.expand(rest, 0, (word, next) => this.#operand(word, next));
    const end = { ...directive, kind: "end", text: "" } as const;
    return decide(tokens, end, (word) => this.#number(word));
  }

  /** Whether the next line defines this name, as in a header guard, and nothing else did. */
  #guards(name: Token): boolean {
    if (this.#defined(name) === true) return false;
    const hash = this.#ahead;
    if (hash?.text !== "#" || !hash.first) return false;
    const line = this.#line();
    const [define, guard] = line;
    const guards = define?.text === "define" && guard?.text === name.text;
    this.#read = { hash, line };
    return guards;
  }

  /** The value of a `defined X`: X is not expanded. Returns `undefined` for other words. */
  #operand(word: Token, next: Source): Token | undefined {
    if (word.text !== "defined") return undefined;
    let name = next();
    const parenthesis = name?.text === "(";
    if (parenthesis) name = next();
    if (name?.kind !== "word" || (parenthesis && next()?.text !== ")")) {
      throw unreadable(word, "a name must follow defined");
    }
    const defined = this.#defined(name);
    return typeof defined === "boolean"
      ? { ...name, kind: "number", text: defined ? "1" : "0" }
      : { ...name, kind: "undecided", undecided: { error: defined.error, skipped: [] } };
  }

  #defined(name: Token): boolean | Unknown {
    const { text } = name;
    const macro = this.#macros.get(text);
    if (macro instanceof TypeError) return { error: macro };
    if (macro !== undefined) return true;
    if (this.#notDefined.has(text) || NOT_DEFINED.has(text)) return false;
    if (AT_LEAST.has(text) || /^__has_/.test(text)) return true;
    return unknown(name);
  }

  /** The number of a word that is no macro of the text. */
  #number(word: Token): bigint | Unknown {
    const { text } = word;
    if (text === "false" || this.#notDefined.has(text) || NOT_DEFINED.has(text)) return 0n;
    const value = VALUES.get(text);
    if (value !== undefined) return BigInt(value);
    const least = AT_LEAST.get(text);
    return { ...unknown(word), ...(least === undefined ? {} : { least }) };
  }

  /** Handles an `#elif`, `#else` or `#endif`. */
  #turn(directive: Token, rest: readonly Token[]): Token | undefined {
    const branch = this.#branches.at(-1);
    if (branch === undefined) throw unreadable(directive, "it has no #if");
    if (directive.text === "endif") {
      this.#branches.pop();
      const { undecided } = branch;
      if (undecided === undefined) return undefined;
      return { ...branch.opened, kind: "undecided", undecided };
    }
    if (branch.hasElse) throw unreadable(directive, "its #if has an #else already");
    branch.done ||= branch.taken;
    branch.taken = false;
    branch.hasElse = directive.text === "else";
    if (!branch.outer || branch.done || branch.undecided !== undefined) return undefined;
    if (branch.hasElse) branch.taken = true;
    else this.#enter(branch, directive, rest);
    return undefined;
  }
}

function unknown(name: Token): Unknown {
  return {
    error: unreadable(
      name,
      `whether this is defined is not known here: #define or #undef it before, or give it in "define"`,
    ),
  };
}
