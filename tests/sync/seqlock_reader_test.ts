/** `SeqlockReader` beside a C program that writes in halves. */

import assert from "node:assert/strict";
import { AtomicInt32, Segment } from "../../mod.ts";
import { SeqlockReader } from "../../src/sync/mod.ts";
import { C_NEEDS, CProgram } from "../support/c_program.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";

guardAgainstLeaks();

const WORDS = 1024;
/** Where `struct shared` below has its words. */
const FINISHED = 0;
const DATA = 4;
const BEGUN = DATA + 4 * WORDS;
const SIZE = BEGUN + 4;

const KINDS = {
  counter: { counter: FINISHED, offset: DATA, length: 4 * WORDS },
  bookends: { begun: BEGUN, finished: FINISHED, offset: DATA, length: 4 * WORDS },
} as const;

/**
 * Fills all words with the number of the write, one half after the other. With `steps` it says where it is
 * and goes on at each line; otherwise it writes all the time, slowly, with pauses.
 */
const writer = new CProgram(`
  #include <stdatomic.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/shm.h>
  struct shared { atomic_int finished; volatile int words[${WORDS}]; atomic_int begun; };
  static int steps;
  static void reached(const char *place)
  {
      if (!steps) { for (volatile int i = 0; i < 5000; i++) ; return; }
      puts(place);
      fflush(stdout);
      if (getchar() == EOF) exit(0);
  }
  int main(int argc, char **argv)
  {
      struct shared *s = argc == 4 ? shmat(atoi(argv[1]), NULL, 0) : (void *)-1;
      if (s == (void *)-1) return 1;
      int counts = strcmp(argv[2], "counter") == 0;
      steps = strcmp(argv[3], "steps") == 0;
      for (int n = 1;; n++) {
          if (counts) atomic_store_explicit(&s->finished, 2 * n - 1, memory_order_relaxed);
          else atomic_store_explicit(&s->begun, n, memory_order_relaxed);
          atomic_thread_fence(memory_order_release);
          for (int i = 0; i < ${WORDS / 2}; i++) s->words[i] = n;
          reached("half");
          for (int i = ${WORDS / 2}; i < ${WORDS}; i++) s->words[i] = n;
          atomic_store_explicit(&s->finished, counts ? 2 * n : n, memory_order_release);
          reached("whole");
      }
  }
`);

function create(): Segment {
  const segment = Segment.create({ size: SIZE });
  segment.remove();
  return segment;
}

/** The only number in all words of a copy. */
function numberIn(copy: Uint8Array<ArrayBuffer>): number {
  const words = new Int32Array(copy.buffer);
  assert.equal(words.length, WORDS);
  const torn = words.findIndex((word) => word !== words[0]);
  assert.equal(torn, -1, `word ${torn} is ${words[torn]}, the first one is ${words[0]}`);
  return words[0]!;
}

for (const [kind, words] of Object.entries(KINDS)) {
  testWith(C_NEEDS, `SeqlockReader: ${kind}: no copy while a write is half done`, async () => {
    using segment = create();
    using readOnly = Segment.attach(segment.id, { readOnly: true });
    const reader = new SeqlockReader(readOnly, words);
    assert.equal(numberIn(reader.tryRead()!), 0);
    await using c = writer.start(segment.id, kind, "steps");
    for (let n = 1; n <= 3; n++) {
      assert.equal(await c.line(), "half");
      assert.equal(reader.tryRead(), undefined);
      assert.throws(() => reader.readSync({ timeout: 5 }), { code: "ETIMEDOUT" });
      const reading = reader.read();
      await c.write("\n");
      assert.equal(await c.line(), "whole");
      assert.equal(numberIn(await reading), n);
      assert.equal(numberIn(reader.tryRead()!), n);
      assert.equal(numberIn(reader.readSync()), n);
      await c.write("\n");
    }
  });

  testWith(C_NEEDS, `SeqlockReader: ${kind}: every copy is of one write`, async () => {
    using segment = create();
    using readOnly = Segment.attach(segment.id, { readOnly: true });
    const reader = new SeqlockReader(readOnly, words);
    await using c = writer.start(segment.id, kind, "always");
    const seen = new Set<number>();
    let last = 0;
    while (seen.size < 300) {
      const number = numberIn(await reader.read());
      assert(number >= last, `${number} after ${last}`);
      seen.add(last = number);
    }
    // In half of a write, at most times; the copy that is whole is not changed by it
    c.kill("SIGKILL");
  });
}

Deno.test("SeqlockReader: a write that begins during the copy is noticed by its first word", () => {
  using segment = create();
  const [begun, finished] = [new AtomicInt32(segment, BEGUN), new AtomicInt32(segment, FINISHED)];
  const reader = new SeqlockReader(segment, KINDS.bookends);
  begun.store(7);
  assert.equal(reader.tryRead(), undefined);
  finished.store(7);
  assert.equal(numberIn(reader.tryRead()!), 0);
  // Also with numbers that have become negative
  begun.store(-(2 ** 31));
  assert.equal(reader.tryRead(), undefined);
  finished.store(-(2 ** 31));
  assert.equal(numberIn(reader.tryRead()!), 0);

  const counting = new SeqlockReader(segment, KINDS.counter);
  finished.store(-1);
  assert.equal(counting.tryRead(), undefined);
  finished.store(-2);
  assert.equal(numberIn(counting.tryRead()!), 0);
});

Deno.test("SeqlockReader.read: a signal ends it, and its reason is thrown", async () => {
  using segment = create();
  new AtomicInt32(segment, 0).store(1);
  const reader = new SeqlockReader(segment, { counter: 0 });
  const stop = new AbortController();
  const reading = reader.read({ signal: stop.signal });
  stop.abort(new Error("enough"));
  await assert.rejects(reading, { message: "enough" });
  await assert.rejects(reader.read({ timeout: 0 }), {
    code: "ETIMEDOUT",
    message: new RegExp(
      `^cannot copy what a seqlock protects: a private key, id ${segment.id}: ETIMEDOUT, .*; ` +
        "a write overlapped each time, or its writer was killed in it$",
    ),
  });
});

Deno.test("SeqlockReader: refuses wrong words and ranges, and a detached segment", () => {
  using segment = create();
  const make = (options: object): SeqlockReader => new SeqlockReader(segment, options as never);
  const either = /^"options" takes either counter, or begun and finished of two words$/;
  for (
    const options of [
      {},
      { begun: 0 },
      { finished: 0 },
      { begun: 4, finished: 4 },
      { counter: 0, begun: 0 },
      { counter: 0, begun: 4, finished: 8 },
    ]
  ) {
    assert.throws(() => make(options), { name: "TypeError", message: either });
  }
  assert.throws(() => make({ counter: 2 }), RangeError);
  assert.throws(() => make({ counter: SIZE }), RangeError);
  assert.throws(() => make({ counter: 0, offset: SIZE + 1 }), RangeError);
  assert.throws(() => make({ counter: 0, length: SIZE + 1 }), RangeError);
  const reader = make({ counter: 0 });
  segment.detach();
  assert.throws(() => reader.tryRead(), { code: "EDETACHED" });
  assert.throws(() => reader.readSync(), { code: "EDETACHED" });
});
