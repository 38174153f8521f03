/** Keys as terminals send them, however the bytes arrive. */

import assert from "node:assert/strict";
import { type Key, KeyDecoder } from "../../../src/cli/terminal/keys.ts";
import { random } from "../command_line.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function keys(...pieces: readonly string[]): Key[] {
  const decoder = new KeyDecoder();
  return [...pieces.flatMap((piece) => decoder.decode(bytes(piece))), ...decoder.flush()];
}

/** What xterm, the Linux console, rxvt and tmux send. */
const SENT: Readonly<Record<Key, readonly string[]>> = {
  up: ["\x1b[A", "\x1bOA", "\x1b[1;5A"],
  down: ["\x1b[B", "\x1bOB"],
  right: ["\x1b[C"],
  left: ["\x1b[D"],
  home: ["\x1b[H", "\x1bOH", "\x1b[1~", "\x1b[7~"],
  end: ["\x1b[F", "\x1bOF", "\x1b[4~", "\x1b[8~"],
  pageup: ["\x1b[5~"],
  pagedown: ["\x1b[6~"],
  delete: ["\x1b[3~", "\x1b[3;2~"],
  enter: ["\r", "\n", "\x1bOM"],
  escape: ["\x1b"],
  tab: ["\t"],
  backspace: ["\x7f", "\b"],
  "ctrl-c": ["\x03"],
  "ctrl-l": ["\x0c"],
  "ctrl-z": ["\x1a"],
  " ": [" "],
  q: ["q"],
  ä: ["ä"],
  "😀": ["😀"],
};

Deno.test("KeyDecoder: what terminals send for each key", () => {
  for (const [key, ways] of Object.entries(SENT)) {
    for (const sent of ways) assert.deepEqual(keys(sent), [key], JSON.stringify(sent));
  }
});

Deno.test("KeyDecoder: the same keys wherever the bytes are split", () => {
  const sent = Object.values(SENT).map((ways) => ways.at(-1)!).filter((each) => each !== "\x1b");
  const expected = Object.keys(SENT).filter((key) => key !== "escape");
  assert.deepEqual(keys(sent.join("")), expected);
  const decoder = new KeyDecoder();
  const one = [...bytes(sent.join(""))].flatMap((byte) => decoder.decode(Uint8Array.of(byte)));
  assert.deepEqual(one, expected);
});

Deno.test("KeyDecoder: Escape is pending until it is known to be alone", () => {
  const decoder = new KeyDecoder();
  assert.deepEqual(decoder.decode(bytes("\x1b")), []);
  assert(decoder.pending);
  assert.deepEqual(decoder.flush(), ["escape"]);
  assert(!decoder.pending);
  assert.deepEqual(decoder.flush(), []);
  assert.deepEqual(keys("\x1b", "q"), ["escape", "q"]);
  assert.deepEqual(keys("\x1b\x1b[A"), ["escape", "up"]);
});

Deno.test("KeyDecoder: drops unknown keys", () => {
  for (const sent of ["\x1b[Z", "\x1b[15~", "\x1b[<0;3;4M", "\x1b[", "\x1bO", "\x1b[?1;2c"]) {
    assert.deepEqual(keys(sent), [], JSON.stringify(sent));
  }
  assert.deepEqual(keys("\x1b[\x03"), ["ctrl-c"]);
  assert.deepEqual(
    keys("\x1b[" + "1;".repeat(50), "q"),
    ["q"],
    "none that never ends is waited for",
  );
});

Deno.test("KeyDecoder: drops pasted keys, except Ctrl-C", () => {
  assert.deepEqual(keys("a\x1b[200~dy\r\x1b[A\x1b[201~b"), ["a", "b"]);
  assert.deepEqual(keys("\x1b[200~d", "y", "\x03", "\x1b[201~", "q"), ["ctrl-c", "q"]);
});

Deno.test("KeyDecoder: 10 000 random pieces are keys or nothing", () => {
  const next = random(11);
  const decoder = new KeyDecoder();
  const likely = [0x1b, 0x5b, 0x4f, 0x3b, 0x7e, 0x41, 0xc3, 0xf0, 0x80];
  for (let round = 0; round < 10_000; round++) {
    const piece = Uint8Array.from(
      { length: next(40) },
      () => next(2) === 0 ? likely[next(likely.length)]! : next(256),
    );
    for (const key of decoder.decode(piece)) assert.match(key, /^(?:[a-z]+|ctrl-.|[^])$/u);
  }
  decoder.flush();
  assert.deepEqual(decoder.decode(bytes("\x1b[201~")), []);
  assert.equal(decoder.decode(bytes("\x03")).at(-1), "ctrl-c");
});
