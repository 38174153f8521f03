/** Ears: an eventfd is heard, by a handle of which nobody promises that it stays. */

import assert from "node:assert/strict";
import { closeFd, openEventfd, openPipe } from "../../ffi/libc.ts";
import { Ear } from "../../src/sync/ear.ts";

await Ear.load();

const LONG = 20_000;
const count = Deno.dlopen("libc.so.6", {
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

/** Counts one event. */
function ring(fd: number): void {
  assert.equal(count.symbols.write(fd, new BigUint64Array([1n]), 8n), 8n);
}

Deno.test("this Deno has ears, which hear each event and keep no process alive", async () => {
  const event = openEventfd();
  let heard = 0;
  let next = Promise.withResolvers<void>();
  const ear = Ear.open(event, () => {
    heard++;
    next.resolve();
  });
  assert(
    ear !== undefined,
    "the handle of a socket is another one in this Deno: see src/sync/ear.ts",
  );
  // The ear alone would let the process end
  const net = setTimeout(() => next.reject(new Error("not heard")), LONG);
  for (let i = 1; i <= 100; i++) {
    next = Promise.withResolvers();
    ring(event);
    await next.promise;
    assert.equal(heard, i);
  }
  clearTimeout(net);
  ear.close();
});

Deno.test("what was heard of is read: it is heard once", async () => {
  const event = openEventfd();
  let heard = 0;
  const ear = Ear.open(event, () => heard++);
  ring(event);
  ring(event);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(heard, 1);
  ear!.close();
});

Deno.test("what cannot be heard is closed", () => {
  const pipe = openPipe();
  assert(typeof pipe !== "number");
  const [readEnd, writeEnd] = pipe;
  closeFd(readEnd);
  closeFd(writeEnd);
  assert.equal(Ear.open(readEnd, () => {}), undefined);
});
