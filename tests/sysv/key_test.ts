/** Keys in every way of writing them. */

import assert from "node:assert/strict";
import { checkKey, formatKey, ftok, hexKey, keyInHex, parseKey } from "../../src/sysv/key.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";

Deno.test("parseKey: numbers as C writes them", () => {
  const cases: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["1111", 1111],
    ["+7", 7],
    ["-5", -5],
    ["-0", 0],
    ["0x457", 1111],
    ["0X457", 1111],
    ["-0x10", -16],
    ["02127", 1111],
    ["00", 0],
    ["0xffffffff", -1],
    ["0xdeadbeef", -559038737],
    ["4294967295", -1],
    ["2147483648", -2147483648],
    ["-2147483648", -2147483648],
  ];
  for (const [text, key] of cases) assert.equal(parseKey(text), key, text);
});

Deno.test("checkKey and parseKey: a number that does not fit 32 bits is refused", () => {
  for (const text of ["4294967296", "-2147483649", "0x100000000", "99999999999999999999"]) {
    assert.throws(() => parseKey(text), RangeError, text);
  }
});

Deno.test("parseKey: text that is not a key is refused", () => {
  for (
    const text of [
      "",
      " ",
      "abc",
      "1 2",
      "0x",
      "0xg",
      "08",
      "1.5",
      "1e3",
      "--1",
      ":1",
      "x:",
      "x:yy",
    ]
  ) {
    assert.throws(() => parseKey(text), TypeError, text);
  }
  assert.throws(() => checkKey(1.5), TypeError);
  assert.throws(() => checkKey(NaN), TypeError);
});

Deno.test("parseKey: path:project is ftok; the project is a number or one character", () => {
  assert.equal(parseKey("/etc/passwd:65"), ftok("/etc/passwd", 65));
  assert.equal(parseKey("/etc/passwd:A"), ftok("/etc/passwd", 65));
  assert.equal(parseKey("/etc/passwd:0x41"), ftok("/etc/passwd", 65));
  assert.throws(() => parseKey("/etc/passwd:257"), {
    name: "RangeError",
    message: "project id 257 is not from 1 to 255: to ftok it is the same as 1",
  });
  assert.notEqual(parseKey("/etc/passwd:2"), ftok("/etc/passwd", "2".charCodeAt(0)));
});

Deno.test("ftok: the error has the errno name, the path and advice", () => {
  assert.throws(() => ftok("/no/such/file", 1), (error) => {
    assert(error instanceof ShmError);
    assert.deepEqual([error.code, error.call], ["ENOENT", "ftok"]);
    assert.match(error.message, /\/no\/such\/file.*must exist/);
    return true;
  });
  assert.throws(() => ftok("/etc/passwd", 0), RangeError);
  assert.throws(() => ftok("/etc/passwd", 0x100), RangeError);
  assert.throws(() => ftok("/etc/passwd", 1.5), RangeError);
  assert.throws(() => ftok("/etc\0passwd", 1), TypeError);
});

testWith({ tools: ["gcc"], files: true }, "ftok: the same key as in a C program", () => {
  using folder = new TestFolder();
  const path = folder.file("a file", "");
  const program = folder.compile("gcc", "ftok", [folder.file(
    "ftok.c",
    `#include <stdio.h>
     #include <stdlib.h>
     #include <sys/ipc.h>
     int main(int argc, char **argv) {
       for (int i = 2; i < argc; i++) printf("%d\\n", ftok(argv[1], atoi(argv[i])));
     }`,
  )]);
  const projects = [1, 65, 127, 128, 200, 255, 0x141];
  const { stdout } = new Deno.Command(program, { args: [path, ...projects.map(String)] })
    .outputSync();
  const expected = new TextDecoder().decode(stdout).trim().split("\n").map(Number);
  assert.deepEqual(projects.map((project) => ftok(path, project)), expected);
  const { dev, ino } = Deno.statSync(path);
  assert.equal(ftok(path, 200), ((200 << 24) | ((dev & 0xff) << 16) | (ino! & 0xffff)) | 0);
});

Deno.test("formatKey and hexKey: negative keys are the 32 bits that ipcs shows", () => {
  for (
    const [key, message, command, table] of [
      [0, "0 (0x0)", "0x0", "0x00000000"],
      [1111, "1111 (0x457)", "0x457", "0x00000457"],
      [-1, "-1 (0xffffffff)", "0xffffffff", "0xffffffff"],
    ] as const
  ) assert.deepEqual([formatKey(key), keyInHex(key), hexKey(key)], [message, command, table]);
});
