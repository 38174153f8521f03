/**
 * Decodes the bytes of a terminal in raw mode into pressed keys. Pure, except for the bytes kept between
 * two pieces. Internal: used by `screen.ts`.
 *
 * Escape is a key, and also the first byte of most other keys. Only time shows which one it is: if no
 * byte follows, {@linkcode KeyDecoder.flush} decodes it as the key.
 */

/** A key: a name such as `up` or `ctrl-c`, or the character it types. */
export type Key = string;

const ESCAPE = 0x1b;
const BACKSPACE = 0x7f;
const FIRST_PRINTING = 0x20;
/** Added to a control character, this gives the letter that was pressed with Ctrl. */
const CONTROL_TO_LETTER = 0x60;

const SINGLE: Readonly<Record<number, Key>> = {
  0x08: "backspace",
  0x09: "tab",
  0x0a: "enter",
  0x0d: "enter",
  [BACKSPACE]: "backspace",
};

/** The bytes after `ESC [` or `ESC O`, without the parameters of modifiers. Source: xterm, ctlseqs. */
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

/** The marks around pasted text, which the terminal sends on request: its keys were not pressed. */
const PASTE = { begins: "200~", ends: "201~" } as const;

/** No key sends more bytes than this; a longer sequence is noise and is dropped. */
const LONGEST_SEQUENCE = 32;

/** Decodes bytes into keys, wherever the pieces of input are split. */
export class KeyDecoder {
  #pending: readonly number[] = [];
  #pasting = false;
  readonly #text = new TextDecoder();

  /** Whether the last bytes may be an incomplete key, such as an Escape. */
  get pending(): boolean {
    return this.#pending.length > 0;
  }

  /** The keys in these bytes, without unknown sequences and without pasted text. */
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

  /** Call this if no byte followed for a while: the pending bytes are Escape or an unknown sequence. */
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

  /** The keys that were pressed, not pasted. Ctrl-C always counts, in case a paste never ends. */
  #pressed(keys: Key[]): Key[] {
    return this.#pasting ? keys.filter((key) => key === "ctrl-c") : keys;
  }

  #character(byte: number): Key[] {
    const named = SINGLE[byte];
    if (named !== undefined) return [named];
    if (byte < FIRST_PRINTING) return [`ctrl-${String.fromCharCode(byte + CONTROL_TO_LETTER)}`];
    // A character of several bytes is decoded with its last byte
    return [...this.#text.decode(Uint8Array.of(byte), { stream: true })];
  }
}

/** The length of the sequence at `at`; `undefined` if it is incomplete, 1 for Escape itself. */
function sequenceLength(input: readonly number[], at: number): number | undefined {
  const kind = input[at + 1];
  if (kind === undefined) return undefined;
  if (kind === "O".charCodeAt(0)) return at + 2 < input.length ? 3 : undefined;
  if (kind !== "[".charCodeAt(0)) return 1;
  for (let end = at + 2; end < input.length; end++) {
    const byte = input[end]!;
    // Parameter and intermediate bytes, then a final byte (ECMA-48, 5.4)
    if (byte < 0x20 || byte > 0x3f) return end - at + (byte < 0x20 ? 0 : 1);
  }
  return undefined;
}

/** The key of the bytes after the introducer: `A`, `3~`, or with modifiers `1;5A`, `3;2~`. */
function sequenceKey(text: string): Key | undefined {
  const [, number = "", final] = /^([0-9]*)(?:;[0-9]+)?([A-Z~])$/.exec(text) ?? [];
  const name = final === "~" ? number + final : final;
  return name !== undefined && Object.hasOwn(SEQUENCES, name) ? SEQUENCES[name] : undefined;
}
