/**
 * What a terminal in raw mode sends, as the keys that were pressed. Pure but for what is kept between
 * two pieces. For `screen.ts`.
 *
 * Escape is a key, and the beginning of what most other keys send. Which of the two it was only time
 * tells: when nothing follows, {@linkcode KeyDecoder.flush} takes it for the key.
 */

/** A key: a name such as `up` or `ctrl-c`, or the character it types. */
export type Key = string;

const ESCAPE = 0x1b;
const BACKSPACE = 0x7f;
const FIRST_PRINTING = 0x20;
/** Adds up with a control character to the letter that is pressed with Ctrl. */
const CONTROL_TO_LETTER = 0x60;

const SINGLE: Readonly<Record<number, Key>> = {
  0x08: "backspace",
  0x09: "tab",
  0x0a: "enter",
  0x0d: "enter",
  [BACKSPACE]: "backspace",
};

/** What follows `ESC [` or `ESC O`, parameters of modifiers left out. Source: xterm, ctlseqs. */
const SEQUENCES: Readonly<Record<string, Key>> = {
  "A": "up",
  "B": "down",
  "C": "right",
  "D": "left",
  "F": "end",
  "H": "home",
  "M": "enter",
  "1~": "home",
  "3~": "delete",
  "4~": "end",
  "5~": "pageup",
  "6~": "pagedown",
  "7~": "home",
  "8~": "end",
};

/** Around what is pasted, where the terminal was asked to say so: text, and nobody pressed its keys. */
const PASTE = { begins: "200~", ends: "201~" } as const;

/** No key sends more; what does is noise, and none of it is kept. */
const LONGEST_SEQUENCE = 32;

/** Turns bytes into keys, wherever the pieces they come in are cut. */
export class KeyDecoder {
  #pending: readonly number[] = [];
  #pasting = false;
  readonly #text = new TextDecoder();

  /** Whether what has come so far may go on: an Escape, say. */
  get pending(): boolean {
    return this.#pending.length > 0;
  }

  /** The keys in these bytes. What is no known key is none, and so is what is pasted. */
  decode(bytes: Uint8Array): Key[] {
    const input = [...this.#pending, ...bytes];
    const keys: Key[] = [];
    let at = 0;
    while (at < input.length) {
      if (input[at] === ESCAPE) {
        const length = sequenceLength(input, at);
        if (length === undefined) break;
        keys.push(...this.#sequence(input.slice(at, at + length)));
        at += length;
      } else keys.push(...this.#pressed(this.#character(input[at++]!)));
    }
    this.#pending = input.slice(at);
    if (this.#pending.length > LONGEST_SEQUENCE) this.#pending = [];
    return keys;
  }

  /** Nothing has followed for a while: what is pending was Escape, or nothing that is known. */
  flush(): Key[] {
    const keys = this.#pending.length === 1 ? this.#pressed(["escape"]) : [];
    this.#pending = [];
    return keys;
  }

  #sequence([, kind, ...rest]: readonly number[]): Key[] {
    if (kind === undefined) return this.#pressed(["escape"]);
    const text = String.fromCharCode(...rest);
    if (text === PASTE.begins) this.#pasting = true;
    if (text === PASTE.ends) this.#pasting = false;
    const key = sequenceKey(text);
    return key === undefined ? [] : this.#pressed([key]);
  }

  /** Of these keys, those somebody pressed. Ctrl-C always counts, should a paste never end. */
  #pressed(keys: Key[]): Key[] {
    return this.#pasting ? keys.filter((key) => key === "ctrl-c") : keys;
  }

  #character(byte: number): Key[] {
    const named = SINGLE[byte];
    if (named !== undefined) return [named];
    if (byte < FIRST_PRINTING) return [`ctrl-${String.fromCharCode(byte + CONTROL_TO_LETTER)}`];
    // A character of several bytes comes out with its last one
    return [...this.#text.decode(Uint8Array.of(byte), { stream: true })];
  }
}

/** How long the sequence at `at` is, or `undefined` if its end has not come. 1: Escape itself. */
function sequenceLength(input: readonly number[], at: number): number | undefined {
  const kind = input[at + 1];
  if (kind === undefined) return undefined;
  if (kind === "O".charCodeAt(0)) return at + 2 < input.length ? 3 : undefined;
  if (kind !== "[".charCodeAt(0)) return 1;
  for (let end = at + 2; end < input.length; end++) {
    const byte = input[end]!;
    // Parameters and intermediates; then one that ends it (ECMA-48, 5.4)
    if (byte < 0x20 || byte > 0x3f) return end - at + (byte < 0x20 ? 0 : 1);
  }
  return undefined;
}

/** The key of what comes after the introducer: `A`, `3~`, or with modifiers `1;5A`, `3;2~`. */
function sequenceKey(text: string): Key | undefined {
  const [, number = "", final] = /^([0-9]*)(?:;[0-9]+)?([A-Z~])$/.exec(text) ?? [];
  const name = final === "~" ? number + final : final;
  return name !== undefined && Object.hasOwn(SEQUENCES, name) ? SEQUENCES[name] : undefined;
}
