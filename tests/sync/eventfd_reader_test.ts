/** Eventfds on the event loop, read by a handle that Deno does not document. */

import assert from "node:assert/strict";
import { closeFd, openPipe } from "../../ffi/files.ts";
import { openEventfd } from "../../ffi/files.ts";
import { EventfdReader } from "../../src/sync/eventfd_reader.ts";

await EventfdReader.load();

const LONG = 20_000;
const count = Deno.dlopen("libc.so.6", {
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
});

/** Counts one event. */
function ring(fd: number): void {
  assert.equal(count.symbols.write(fd, new BigUint64Array([1n]), 8n), 8n);
}

Deno.test("EventfdReader works in this Deno, reports each event and keeps no process alive", async () => {
  const event = openEventfd();
  let heard = 0;
  let next = Promise.withResolvers<void>();
  const reader = EventfdReader.open(event, () => {
    heard++;
    next.resolve();
  });
  assert(
    reader !== undefined,
    "the handle of a socket is another one in this Deno: see src/sync/eventfd_reader.ts",
  );
  // The reader alone would let the process end
  const net = setTimeout(() => next.reject(new Error("not heard")), LONG);
  for (let i = 1; i <= 100; i++) {
    next = Promise.withResolvers();
    ring(event);
    await next.promise;
    assert.equal(heard, i);
  }
  clearTimeout(net);
  reader.close();
});

Deno.test("EventfdReader reads the counter: two events at once are one", async () => {
  const event = openEventfd();
  let heard = 0;
  const reader = EventfdReader.open(event, () => heard++);
  ring(event);
  ring(event);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(heard, 1);
  reader!.close();
});

Deno.test("EventfdReader.open closes a descriptor that cannot be read", () => {
  const pipe = openPipe();
  assert(typeof pipe !== "number");
  const [readEnd, writeEnd] = pipe;
  closeFd(readEnd);
  closeFd(writeEnd);
  assert.equal(EventfdReader.open(readEnd, () => {}), undefined);
});
