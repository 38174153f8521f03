/** Text made fit for a terminal, and output without a reader. */

import assert from "node:assert/strict";
import { Channel } from "../../mod.ts";
import { printable, printableJson } from "../../src/cli/output.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey } from "../support/peer.ts";
import { cliInShell, run } from "./command_line.ts";

guardAgainstLeaks();

const SHELL = { tools: ["deno", "sh"] };

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
  "marks: \u061c\u200e\u200f\ufeff": "marks: \\u{61c}\\u{200e}\\u{200f}\\u{feff}",
  "hidden: \u{e0041}\xad": "hidden: \\u{e0041}\\xad",
  "beside them: \xa0\u2027\u202f\u2065": "beside them: \xa0\u2027\u202f\u2065",
};

Deno.test("printable: escapes control characters, and keeps the rest", () => {
  for (const [text, shown] of Object.entries(SHOWN)) assert.equal(printable(text), shown);
});

/** All characters that Unicode calls controls, formats, and separators of lines. */
function obeyed(): string[] {
  const all = Array.from({ length: 0x110000 }, (_, code) => code)
    .filter((code) => code < 0xd800 || code > 0xdfff).map((code) => String.fromCodePoint(code));
  return all.filter((each) => /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]$/u.test(each));
}

Deno.test("printable: escapes everything that a terminal obeys", () => {
  for (const each of obeyed()) {
    const shown = printable(each);
    assert(shown.length > 1, escape(each));
    assert.match(shown, /^[ -~]+$/);
  }
});

Deno.test("printableJson: escapes what a terminal obeys, and is the same JSON", () => {
  const text = obeyed().join("");
  const json = JSON.stringify({ text }, null, 2);
  const shown = printableJson(json);
  assert.match(shown, /^[ -~\n]+$/);
  assert.deepEqual(JSON.parse(shown), { text });
});

testWith(SHELL, "print: a command has the same exit code if its reader ends", async () => {
  const key = freshKey();
  using channel = Channel.openOrCreate({ key, lanes: 2, laneCapacity: 4096 });
  const id = String(channel.id);
  const absent = ["2147483646"];
  const lines = [
    ["--version"],
    ["ls"],
    ["ls", "--json"],
    ["limits"],
    ["stat", "--id", id],
    ["stat", "--id", ...absent],
    ["chmod", "600", `id:${id}`, `id:${absent}`],
    ["chown", "+0", `id:${id}`, `id:${absent}`, "--json"],
    ["rm", "--dry-run", `id:${id}`, `id:${absent}`],
    ["channel", "ls"],
    ["channel", "stat", "--id", id],
    ["dump", "--id", id, "--length", "64"],
    ["doctor"],
    ["doctor", "--json"],
    ["completions", "bash"],
  ];
  await Promise.all(lines.map(async (args) => {
    const { code } = await run(...args);
    const piped = await cliInShell('{ "$@"; echo "exit $?" >&2; } | exec <&-', ...args).ended();
    assert.match(piped.stderr, new RegExp(`^exit ${code}$`, "m"), args.join(" "));
  }));
});
