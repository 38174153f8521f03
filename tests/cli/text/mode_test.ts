/** Modes as chmod(1) takes them: compared with chmod itself, and what is none is refused in one line. */

import assert from "node:assert/strict";
import { testWith } from "../../support/needs.ts";
import { TestFolder } from "../../support/peer.ts";
import { random } from "../command_line.ts";
import { parseMode, parseOctalMode } from "../../../src/cli/text/mode.ts";

const CHMOD = { tools: ["sh", "chmod", "stat"], files: true };

const OCTAL: readonly (readonly [string, number, number])[] = [
  ["640", 0o777, 0o640],
  ["0", 0o777, 0],
  ["0o660", 0, 0o660],
  ["0777", 0, 0o777],
];

Deno.test("parseMode: an octal mode, whatever the mode was", () => {
  for (const [text, before, after] of OCTAL) {
    assert.equal(parseMode(text)(before).toString(8), after.toString(8), text);
  }
});

const REFUSED = [
  "",
  "r",
  "u",
  "ur",
  "u+s",
  "+X",
  "u+t",
  "u+rw,",
  ",u+r",
  "u+r g+r",
  "u+640",
  "=640",
];
const REFUSED_OCTAL = ["1000", "8", "0x1", "640 ", "6 4", "00000000001000", "640,u+r", "6e1"];

Deno.test("parseMode: what is none is refused, and an example given", () => {
  for (const text of REFUSED) {
    assert.throws(() => parseMode(text), {
      name: "TypeError",
      message: `"${text}" is not a mode such as 640, 0660, u+rw, g=u or g-w,o=`,
    });
  }
  for (const text of REFUSED_OCTAL) {
    for (const parse of [parseMode, parseOctalMode]) {
      assert.throws(() => parse(text), {
        name: "TypeError",
        message: `"${text}" is not an octal mode such as 600 or 0660`,
      });
    }
  }
});

/** A mode with up to three clauses of up to three actions. */
function anyMode(below: (n: number) => number): string {
  const some = (letters: string, most: number): string =>
    Array.from({ length: below(most + 1) }, () => letters[below(letters.length)]).join("");
  const action = (): string =>
    "+-="[below(3)]! + (below(4) === 0 ? "ugo"[below(3)] : some("rwx", 3));
  const clause = (): string => some("ugoa", 3) + action() + (below(2) === 0 ? action() : "");
  return Array.from({ length: 1 + below(3) }, clause).join(",");
}

testWith(CHMOD, "parseMode: chmod(1) gives the same", () => {
  using folder = new TestFolder();
  const file = folder.file("file", "");
  const below = random(7);
  const cases = Array.from(
    { length: 200 },
    () => ({ mode: anyMode(below), before: below(0o1000) }),
  );
  const script = cases.map(({ mode, before }) =>
    `chmod ${before.toString(8)} ${file}; chmod -- ${mode} ${file}; stat -c %a ${file}`
  );
  const { success, stdout } = new Deno.Command("sh", {
    args: ["-ec", ["umask 0", ...script].join("\n")],
  }).outputSync();
  assert(success);
  const after = new TextDecoder().decode(stdout).trim().split("\n");
  for (const [i, { mode, before }] of cases.entries()) {
    const ours = parseMode(mode)(before).toString(8);
    assert.equal(ours, after[i], `${mode} of ${before.toString(8)}`);
  }
});
