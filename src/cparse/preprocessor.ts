/**
 * Preprocesses the tokens of a C declaration without other files: `#define` without parameters, header
 * guards, `#ifdef` of names that the text defines, `#pragma pack`. Internal: used by `parseStruct`. It
 * refuses everything whose result depends on the compiler, and never guesses.
 */

import { outOfBounds, scan, type Token, unreadable } from "./token.ts";

/** The largest number of words and marks, including those from macros. */
const MOST_TOKENS = 65536;

/** The largest nesting depth of macros. */
const DEEPEST_MACRO = 64;

/** Pragmas that do not change the layout. */
const HARMLESS_PRAGMA = /^(once|GCC diagnostic|clang diagnostic|GCC system_header)\b/;

const BRANCH =
  "what the compiler defines is not known here: keep the branch it takes, leave out the rest";

/** An open `#if`. */
interface Branch {
  readonly opened: Token;
  /** Whether its lines are used. */
  taken: boolean;
  /** Whether the lines around it are used. */
  readonly outer: boolean;
  hasElse: boolean;
}

/** Returns the tokens after preprocessing. A `#pragma pack` is one of them. */
export function preprocess(text: string): Token[] {
  return new Preprocessor(scan(text)).run();
}

class Preprocessor {
  readonly #in: readonly Token[];
  readonly #out: Token[] = [];
  /** The text of each macro; `undefined` for a macro with parameters. */
  readonly #macros = new Map<string, readonly Token[] | undefined>();
  readonly #branches: Branch[] = [];
  #emitted = 0;

  constructor(tokens: readonly Token[]) {
    this.#in = tokens;
  }

  run(): Token[] {
    for (let at = 0; at < this.#in.length;) {
      const token = this.#in[at]!;
      if (token.first && token.text === "#") {
        let end = at + 1;
        while (!this.#in[end]!.first && this.#in[end]!.kind !== "end") end += 1;
        this.#directive(token, this.#in.slice(at + 1, end), end);
        at = end;
      } else {
        if (token.kind === "end") this.#finish(token);
        else if (this.#counts()) this.#emit(token, token, new Set());
        at += 1;
      }
    }
    return this.#out;
  }

  #finish(end: Token): void {
    const open = this.#branches.at(-1);
    if (open !== undefined) throw unreadable(open.opened, "its #endif is missing");
    this.#out.push(end);
  }

  #counts(): boolean {
    const branch = this.#branches.at(-1);
    return branch === undefined || (branch.outer && branch.taken);
  }

  /** Emits a token, or the text of its macro, with the position `place`. */
  #emit(token: Token, place: Token, within: Set<string>): void {
    // Counted here and not in the output: empty macros take time, too.
    this.#emitted += 1;
    if (this.#emitted > MOST_TOKENS) {
      throw outOfBounds(place, `this is more than ${MOST_TOKENS} words and marks`);
    }
    if (token.kind === "word" && this.#macros.has(token.text) && !within.has(token.text)) {
      const body = this.#macros.get(token.text);
      if (body === undefined) {
        throw unreadable(place, "a macro with parameters is not expanded here: write out its text");
      }
      if (within.size >= DEEPEST_MACRO) {
        throw outOfBounds(place, `macros stand more than ${DEEPEST_MACRO} deep in macros`);
      }
      within.add(token.text);
      for (const part of body) this.#emit(part, place, within);
      within.delete(token.text);
      return;
    }
    this.#out.push({ ...token, line: place.line, column: place.column });
  }

  /** Handles one `#` line. `next` is the index of the token after it. */
  #directive(hash: Token, [name, ...rest]: readonly Token[], next: number): void {
    const place = name ?? hash;
    switch (name?.text) {
      case "if":
      case "ifdef":
      case "ifndef":
        this.#branches.push({
          opened: name,
          outer: this.#counts(),
          taken: this.#counts() && this.#condition(name, rest, next),
          hasElse: false,
        });
        return;
      case "elif":
      case "else":
      case "endif":
        this.#turn(name);
        return;
    }
    if (!this.#counts()) return;
    switch (name?.text) {
      case undefined: // a lone # has no effect
      case "include": // the file is not read: a type that only it defines is refused where it is used
        return;
      case "define":
        return this.#define(place, rest);
      case "undef":
        this.#macros.delete(rest[0]?.text ?? "");
        return;
      case "pragma":
        return this.#pragma(place, rest);
      default:
        throw unreadable(place, "this preprocessor line is not supported: leave it out");
    }
  }

  #define(place: Token, [name, ...body]: readonly Token[]): void {
    if (name?.kind !== "word") throw unreadable(name ?? place, "#define takes a name");
    const hasParameters = body[0]?.text === "(" && body[0].adjacent;
    this.#macros.set(name.text, hasParameters ? undefined : body);
  }

  #pragma(place: Token, words: readonly Token[]): void {
    const text = words.map((word) => word.text).join(words[0]?.text === "pack" ? "" : " ");
    if (words[0]?.text === "pack") this.#out.push({ ...place, kind: "pragma", text });
    else if (!HARMLESS_PRAGMA.test(text)) {
      throw unreadable(words[0] ?? place, "this #pragma is not known here: leave it out");
    }
  }

  #condition(directive: Token, [name, ...rest]: readonly Token[], next: number): boolean {
    if (name === undefined) throw unreadable(directive, "its condition is missing");
    if (directive.text === "if") {
      if (rest.length === 0 && (name.text === "0" || name.text === "1")) return name.text === "1";
      throw unreadable(name, BRANCH);
    }
    const wanted = directive.text === "ifdef";
    // The text is parsed as C.
    if (name.text === "__cplusplus") return !wanted;
    if (this.#macros.has(name.text)) return wanted;
    const [hash, define, guard] = this.#in.slice(next, next + 3);
    const guards = hash?.text === "#" && define?.text === "define" && guard?.text === name.text;
    if (!wanted && guards) return true;
    throw unreadable(name, BRANCH);
  }

  #turn(directive: Token): void {
    const branch = this.#branches.at(-1);
    if (branch === undefined) throw unreadable(directive, "it has no #if");
    if (directive.text === "endif") {
      this.#branches.pop();
      return;
    }
    if (branch.hasElse) throw unreadable(directive, "its #if has an #else already");
    if (directive.text === "else") {
      branch.hasElse = true;
      branch.taken = !branch.taken;
    } else if (branch.outer) throw unreadable(directive, BRANCH);
  }
}
