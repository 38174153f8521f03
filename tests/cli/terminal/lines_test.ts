/** Lines out of chunks of bytes, wherever the chunks are cut. */

import assert from "node:assert/strict";
import { readLines } from "../../../src/cli/terminal/lines.ts";
import { random } from "../command_line.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What is read from the chunks: each line's text as far as it was kept, and its length. */
async function read(chunks: Iterable<Uint8Array>, limit: number): Promise<[string, number][]> {
  const lines: [string, number][] = [];
  for await (const batch of readLines(ReadableStream.from(chunks), limit)) {
    for (const { bytes, length } of batch) lines.push([new TextDecoder().decode(bytes), length]);
  }
  return lines;
}

const LIMIT = 4;

/** Input, and the lines as [kept, length]. */
const ROWS: readonly (readonly [string, [string, number][]])[] = [
  ["", []],
  ["a", [["a", 1]]],
  ["a\n", [["a", 1]]],
  ["a\r\n", [["a", 1]]],
  ["a\nb", [["a", 1], ["b", 1]]],
  ["\n", [["", 0]]],
  ["\r\n", [["", 0]]],
  ["\n\na\n\n", [["", 0], ["", 0], ["a", 1], ["", 0]]],
  ["a\rb\n", [["a\rb", 3]]],
  ["a\r\r\n", [["a\r", 2]]],
  ["\ra\n\r\n", [["\ra", 2], ["", 0]]],
  ["abcd\n", [["abcd", 4]]],
  ["abcd\r\n", [["abcd", 4]]],
  ["abcde\n", [["abcde", 5]]],
  ["abcde\r\n", [["abcde", 5]]],
  ["abcdef\n", [["abcde", 6]]],
  ["abcdefgh\r\nx", [["abcde", 8], ["x", 1]]],
  ["abcde\rf\n", [["abcde", 7]]],
  ["abé\n", [["abé", 4]]],
];

Deno.test("readLines: ends, empty and too long lines, split at any two places", async () => {
  for (const [text, lines] of ROWS) {
    const bytes = bytesOf(text);
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        const chunks = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
        assert.deepEqual(await read(chunks, LIMIT), lines, JSON.stringify([text, first, second]));
      }
    }
  }
});

Deno.test("readLines: random chunks of random text", async () => {
  const pick = random(2);
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: pick(60) }, () => "ab\r\n"[pick(4)]).join("");
    const chunks: Uint8Array[] = [];
    for (let start = 0; start < text.length;) {
      const end = start + 1 + pick(8);
      chunks.push(bytesOf(text.slice(start, end)));
      start = end;
    }
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    const expected = lines.map((line) => line.replace(/\r$/, ""));
    assert.deepEqual(
      await read(chunks, LIMIT),
      expected.map((line) => [line.slice(0, LIMIT + 1), line.length]),
      JSON.stringify(text),
    );
  }
});

Deno.test("readLines: a line without end keeps no more than the limit", async () => {
  const chunk = new Uint8Array(64 * 1024).fill(0x78);
  const chunks = function* (): Generator<Uint8Array> {
    for (let index = 0; index < 4096; index++) yield chunk;
  };
  assert.deepEqual(await read(chunks(), LIMIT), [["xxxxx", 256 * 2 ** 20]]);
});

Deno.test("readLines: lines do not change when the next ones are read", async () => {
  const chunks = [bytesOf("ab\n"), bytesOf("cd\n")];
  const lines = (await Array.fromAsync(readLines(ReadableStream.from(chunks), LIMIT))).flat();
  assert.deepEqual(lines.map(({ bytes }) => new TextDecoder().decode(bytes)), ["ab", "cd"]);
});

Deno.test("readLines: throws what reading throws", async () => {
  const input = new ReadableStream<Uint8Array>({
    pull(controller): void {
      controller.error(new Error("unplugged"));
    },
  });
  await assert.rejects(Array.fromAsync(readLines(input, LIMIT)), { message: "unplugged" });
});
