/** Memory that another process rewrites all the time, and the functions SECURITY.md calls safe for it. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer, PROJECT } from "../support/peer.ts";

guardAgainstLeaks();

const SIZE = 1 << 16;

/** Rewrites the segment with text of one and of three bytes a character, with bits at random, and zeros. */
const rewriter = new CProgram(`
  #include <stdint.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/shm.h>
  int main(int argc, char **argv) {
    static unsigned char chance[${SIZE}];
    unsigned char *memory = argc > 1 ? shmat(atoi(argv[1]), NULL, 0) : NULL;
    if (memory == NULL || memory == (void *)-1) return 1;
    uint64_t x = 88172645463325252u;
    for (int i = 0; i < ${SIZE}; i++) {
      x ^= x << 13; x ^= x >> 7; x ^= x << 17;
      chance[i] = (unsigned char)x;
    }
    puts("rewriting");
    fflush(stdout);
    for (;;) {
      memset(memory, 'a', ${SIZE});
      for (int i = 0; i + 3 <= ${SIZE}; i += 3) memcpy(memory + i, "\\xe2\\x82\\xac", 3);
      memcpy(memory, chance, ${SIZE});
      memset(memory, 0xff, ${SIZE});
      memset(memory, 0, ${SIZE});
    }
  }`);

/** By the words of the table in SECURITY.md, or of the library. */
const SAFE: Readonly<Record<string, string>> = {
  "element access": "for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i] + 1",
  "iteration": "for (const array of arrays) for (const each of array) array[0] = each",
  "DataView":
    "for (let i = 0; i < bytes.length; i += 8) data.setFloat64(i, data.getFloat64(i, true), true)",
  "Atomics": "for (let i = 0; i < words.length; i++) Atomics.add(words, i, Atomics.load(words, i))",
  "set": "own.set(bytes); bytes.set(own); bytes.set(bytes.subarray(1)); wide.set(bytes)",
  "fill": "for (const array of arrays) array.fill(array[0])",
  "slice": "for (const array of arrays) array.slice()",
  "subarray": "for (const array of arrays) array.subarray(1)",
  "encodeInto": `encoder.encodeInto("h\\u00e9\\u20ac".repeat(1000), bytes)`,
  "segment.read": "segment.read(1)",
  "segment.text": "segment.text(0); segment.text(1, 1000)",
  "segment.write": "segment.write(own); segment.write(bytes.subarray(1))",
  "layout.read": "Fields.read(segment.buffer)",
  "text fields": "view.text; view.text = 'h\\u00e9\\u20ac'",
  "array fields":
    "for (const list of lists) { list.sort(); list.reverse(); list.copyWithin(1, 0); list.subarray(1).sort(); }",
  "JSON and inspect": "JSON.stringify([view.text, view.a, view.d]); Deno.inspect(view)",
};

/** A program over live memory that does each use `times` times, and then prints its name. */
function program(id: number, uses: Readonly<Record<string, string>>, times: number): string {
  const steps = Object.entries(uses).map(([name, use]) =>
    `for (let i = 0; i < ${times}; i++) { ${use}; } console.log(${JSON.stringify(name)});`
  );
  return `
    import { array, cString, f64, i32, Segment, struct, u16, u64 } from "@sysv/shm";
    const segment = Segment.attach(${id});
    const { buffer, bytes } = segment;
    const arrays = [Uint8Array, Int16Array, Float32Array, BigUint64Array]
      .map((TypedArray) => new TypedArray(buffer));
    const Fields = struct({ text: cString(8192), a: array(i32, 999), b: array(f64, 999),
      c: array(u64, 999), d: array(u16, 999) });
    const view = segment.view(Fields);
    const lists = [view.a, view.b, view.c, view.d];
    const data = new DataView(buffer);
    const words = new Int32Array(buffer);
    const own = new Uint8Array(${SIZE});
    const wide = new Float64Array(${SIZE});
    const encoder = new TextEncoder();
    const decoder = new TextDecoder();
    ${steps.join("\n    ")}`;
}

testWith(
  C_NEEDS,
  "Segment: each use that SECURITY.md calls safe is safe over live memory",
  async () => {
    using segment = Segment.create({ size: SIZE });
    segment.remove();
    await using writer = rewriter.start(segment.id);
    await writer.line();
    await using peer = Peer.typescript(program(segment.id, SAFE, 100));
    const { stdout, stderr, code } = await peer.ended();
    // Where it ends early, the last name shows where
    assert.deepEqual([stdout.trim().split("\n"), stderr, code], [Object.keys(SAFE), "", 0]);
  },
);

testWith(
  C_NEEDS,
  "Segment: decoding live memory that a peer rewrites ends the process",
  async () => {
    using segment = Segment.create({ size: SIZE });
    segment.remove();
    await using writer = rewriter.start(segment.id);
    await writer.line();
    await using peer = Peer.typescript(
      program(segment.id, { decoding: "decoder.decode(bytes)" }, 1_000_000),
    );
    // SIGSEGV, or SIGABRT where the allocator sees it first: without it the tests above would try nothing
    assert.notEqual((await peer.ended()).code, 0);
  },
);

testWith(
  { files: true },
  "Segment: SECURITY.md names each use of live memory that is tried here",
  () => {
    const page = Deno.readTextFileSync(`${PROJECT}SECURITY.md`);
    const section = page.slice(page.indexOf("## Raw memory"), page.indexOf("## After detach"));
    for (const name of Object.keys(SAFE)) assert(section.includes(name), name);
  },
);
