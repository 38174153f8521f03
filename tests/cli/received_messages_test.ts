/** Messages as `recv --json` tells them: whatever is in them, it comes out of the JSON again. */

import assert from "node:assert/strict";
import { messageJson } from "../../src/cli/received_messages.ts";
import { random } from "./command_line.ts";

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The bytes that the JSON of a message stands for. */
function bytesIn(json: string): Uint8Array {
  const { text, bytes } = JSON.parse(json);
  return text === undefined ? Uint8Array.fromBase64(bytes) : bytesOf(text);
}

Deno.test("messageJson: text with its byte order mark, or base64", () => {
  const rows: readonly (readonly [Uint8Array, string])[] = [
    [bytesOf("hello"), '{"lane":2,"tag":7,"length":5,"text":"hello"}'],
    [bytesOf(""), '{"lane":2,"tag":7,"length":0,"text":""}'],
    [bytesOf("\ufeffä\n\0"), '{"lane":2,"tag":7,"length":7,"text":"\ufeffä\\n\\u0000"}'],
    [new Uint8Array([0xff, 0xfe]), '{"lane":2,"tag":7,"length":2,"bytes":"//4="}'],
    [bytesOf("€").subarray(0, 2), '{"lane":2,"tag":7,"length":2,"bytes":"4oI="}'],
  ];
  for (const [bytes, json] of rows) {
    assert.equal(messageJson({ lane: 2, tag: 7 }, bytes), json);
  }
});

Deno.test("messageJson: 10 000 random messages round-trip, each on one line", () => {
  const pick = random(23);
  for (let round = 0; round < 10_000; round++) {
    const below = pick(2) === 0 ? 256 : 128;
    const bytes = Uint8Array.from({ length: pick(40) }, () => pick(below));
    const json = messageJson({ lane: pick(256), tag: pick(2 ** 32 - 1) }, bytes);
    assert.doesNotMatch(json, /\n/);
    assert.deepEqual(bytesIn(json), bytes);
    assert.equal(JSON.parse(json).length, bytes.length);
  }
});
