/** Text made fit for a terminal. Where it goes is seen in the tests of `server` and `client`. */

import assert from "node:assert/strict";
import { printable } from "../../src/cli/output.ts";

const SHOWN: Readonly<Record<string, string>> = {
  "": "",
  "plain text, äöü € 漢字 😀": "plain text, äöü € 漢字 😀",
  "\x1b[31mred\x1b[0m": "\\x1b[31mred\\x1b[0m",
  "\x1b]0;title\x07": "\\x1b]0;title\\x07",
  "a\tb\r\nc": "a\\tb\\r\\nc",
  "\0\b\x7f": "\\x00\\x08\\x7f",
  "C1: \x80\x9b31m\x9f": "C1: \\x80\\x9b31m\\x9f",
  "lines: \u2028\u2029": "lines: \\u{2028}\\u{2029}",
  "bidi: \u202a\u202d\u202e\u2066\u2069": "bidi: \\u{202a}\\u{202d}\\u{202e}\\u{2066}\\u{2069}",
  "beside them: \xa0\u2027\u202f\u2065\u206a": "beside them: \xa0\u2027\u202f\u2065\u206a",
};

Deno.test("printable: what moves, colours or turns is shown, the rest is as it was", () => {
  for (const [text, shown] of Object.entries(SHOWN)) assert.equal(printable(text), shown);
});

Deno.test("printable: nothing that a terminal obeys comes through", () => {
  for (let code = 0; code < 0x3000; code++) {
    const obeyed = /[\p{Cc}\p{Zl}\p{Zp}]/u.test(String.fromCharCode(code)) ||
      (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    const shown = printable(String.fromCharCode(code));
    assert.equal(shown.length > 1, obeyed, code.toString(16));
    assert.match(shown, /^\P{Cc}+$/u);
  }
});
