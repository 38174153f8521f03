/** The C side says the same as the TypeScript side, and compiles without a warning. */

import assert from "node:assert/strict";
import { ShmEntry } from "../../mod.ts";
import {
  LAYOUT,
  MAILBOX_KEY,
  MAX_TEXT_BYTES,
  SEMAPHORE,
  SEMAPHORE_COUNT,
} from "../../src/mailbox/descriptor.ts";
import { MAX_SLICE_MS } from "../../src/sync/wait_schedule.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT, TestFolder } from "../support/peer.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";

guardAgainstLeaks();

testWith({ files: true }, "common.h and descriptor.ts have the same numbers", () => {
  const header = Deno.readTextFileSync(`${PROJECT}c/common.h`);
  const inC: Record<string, number> = {};
  for (const [, name, value] of header.matchAll(/^#define SHM_MAILBOX_(\w+) (.*)$/gm)) {
    inC[name!] = Number(value);
  }
  const { can_read, msg } = LAYOUT.fields;
  const inTypeScript: Record<string, number> = {
    KEY: MAILBOX_KEY,
    SIZE: LAYOUT.size,
    FLAG_OFFSET: can_read.offset,
    TEXT_OFFSET: msg.offset,
    TEXT_SIZE: msg.size,
    TEXT_MAX: MAX_TEXT_BYTES,
    SEM_COUNT: SEMAPHORE_COUNT,
  };
  for (const [name, number] of Object.entries(SEMAPHORE)) inTypeScript[`SEM_${name}`] = number;
  assert.deepEqual(inC, inTypeScript);
});

testWith({ files: true }, "shm_sync.h and wait_schedule.ts have the same slices", () => {
  const header = Deno.readTextFileSync(`${PROJECT}c/shm_sync.h`);
  const [, slice] = /^#define SHMI_SLICE_NS INT64_C\((\d+)\)$/m.exec(header) ?? [];
  assert.equal(Number(slice), MAX_SLICE_MS * 1_000_000);
});

const LANGUAGE_OF = {
  gcc: ["-x", "c", "-std=gnu11"],
  "g++": ["-x", "c++", "-std=c++17"],
} as const;

for (const compiler of ["gcc", "g++"] as const) {
  testWith(
    { tools: [compiler], files: true },
    `common.h: its struct equals the one that TypeScript declares (${compiler})`,
    () => {
      using folder = new TestFolder();
      const source = folder.file(
        "declared.c",
        `#include "common.h"
        #define SAME(what) static_assert((what(struct ShmEntry)) == (what(Declared)), #what)
        #define FLAG_AT(type) offsetof(type, can_read)
        #define TEXT_AT(type) offsetof(type, msg)
        #define FLAG_SIZE(type) sizeof(((type *)0)->can_read)
        #define TEXT_SIZE(type) sizeof(((type *)0)->msg)
        #define ALIGNMENT(type) __alignof__(type)
        ${ShmEntry.layout.declare("Declared")}
        SAME(sizeof); SAME(ALIGNMENT);
        SAME(FLAG_AT); SAME(TEXT_AT); SAME(FLAG_SIZE); SAME(TEXT_SIZE);
        int main(void) { return 0; }`,
      );
      const strict = ["-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`];
      folder.compile(compiler, "declared", [...strict, ...LANGUAGE_OF[compiler], source]);
    },
  );
}

/** Builds `target` of `c/` into a folder, with warnings as errors; fails with what the compiler said. */
function makeC(folder: string, target: string): void {
  const { success, stderr, stdout } = new Deno.Command("make", {
    args: ["-C", `${PROJECT}c`, `BUILD=${folder}`, "CXXFLAGS=-O2 -Werror", target],
    env: { LC_ALL: "C" },
  }).outputSync();
  assert(success, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
}

testWith(
  { tools: ["make", "gcc", "g++"], files: true },
  "Makefile: make and make check give no warning",
  () => {
    using folder = new TestFolder();
    makeC(folder.path, "all");
    makeC(folder.path, "check");
  },
);
