/** Lines of a screen: measured as a terminal does, and cut so that they never take more. */

import assert from "node:assert/strict";
import {
  cropLine,
  cropText,
  fitText,
  joinFitting,
  type Line,
  lineWidth,
  textWidth,
  wrapText,
} from "../../../src/cli/terminal/spans.ts";
import { random } from "../command_line.ts";

const text = (line: Line): string => line.map((span) => span.text).join("");

Deno.test("textWidth: wide characters take two columns, marks none", () => {
  assert.equal(textWidth(""), 0);
  assert.equal(textWidth("plain ~"), 7);
  assert.equal(textWidth("äöü€"), 4);
  assert.equal(textWidth("日本語"), 6);
  assert.equal(textWidth("한글 ｆｕｌｌ"), 4 + 1 + 8);
  assert.equal(textWidth("😀!"), 3);
  assert.equal(textWidth("e\u0301"), 1);
  assert.equal(textWidth("a\u200b\u200db"), 2);
});

Deno.test("cropText: a cut text ends in ~, and a wide character is never halved", () => {
  assert.equal(cropText("postgres", 8), "postgres");
  assert.equal(cropText("postgres", 5), "post~");
  assert.equal(cropText("postgres", 1), "~");
  assert.equal(cropText("postgres", 0), "");
  assert.equal(cropText("日本語", 6), "日本語");
  assert.equal(cropText("日本語", 5), "日本~");
  assert.equal(cropText("日本語", 4), "日~");
});

Deno.test("cropLine: cuts within a span, and keeps its format", () => {
  const line: Line = [{ text: "ab" }, { text: "日本", format: "red" }, { text: "c" }];
  assert.deepEqual(cropLine(line, 5), [{ text: "ab" }, { text: "日", format: "red" }]);
  assert.equal(text(cropLine(line, 7)), "ab日本c");
  assert.equal(text(cropLine(line, 0)), "");
});

Deno.test("fitText: exactly as wide as asked", () => {
  assert.equal(fitText("ab", 4), "ab  ");
  assert.equal(fitText("ab", 4, "right"), "  ab");
  assert.equal(fitText("日本語", 4), "日~ ");
});

Deno.test("joinFitting: as many parts as fit, at least the first", () => {
  const parts: Line[] = ["12 segments", "3 attached", "x"].map((each) => [{ text: each }]);
  assert.equal(text(joinFitting(parts, 80)), "12 segments  3 attached  x");
  assert.equal(text(joinFitting(parts, 24)), "12 segments  3 attached");
  assert.equal(text(joinFitting(parts, 22)), "12 segments");
  assert.equal(text(joinFitting(parts, 5)), "12 se");
  assert.equal(text(joinFitting([], 5)), "");
});

Deno.test("wrapText: between words if possible, and at most so many lines", () => {
  assert.deepEqual(wrapText("one two three", 7), ["one two", "three"]);
  assert.deepEqual(wrapText("one  two", 4), ["one", "two"]);
  assert.deepEqual(wrapText("abcdefgh", 3), ["abc", "def", "gh"]);
  assert.deepEqual(wrapText("one two three four", 7, 2), ["one two", "three ~"]);
  assert.deepEqual(wrapText("日本語", 1), ["日", "本", "語"]);
  assert.deepEqual(wrapText("", 9), [""]);
});

Deno.test("cropLine, joinFitting, fitText, wrapText: never wider than asked", () => {
  const next = random(7);
  const characters = [..."ab 日語é\u0301😀\u200b-"];
  for (let round = 0; round < 2000; round++) {
    const line: Line = Array.from({ length: next(4) }, () => ({
      text: Array.from({ length: next(12) }, () => characters[next(characters.length)]).join(""),
    }));
    const columns = next(16);
    assert(lineWidth(cropLine(line, columns)) <= columns);
    assert(lineWidth(joinFitting([line, line], columns)) <= columns);
    assert.equal(textWidth(fitText(text(line), columns)), columns);
    if (columns >= 2) {
      for (const each of wrapText(text(line), columns)) assert(textWidth(each) <= columns);
    }
  }
});
