/**
 * Structs that stream between Deno and a C program, both ways at once: orders there, receipts back.
 *
 *     deno run --allow-ffi examples/stream.ts --declare > stream.h      the structs, for C
 *     gcc -O2 -o stream -I. -Ic examples/stream.c                       checks every offset
 *     ./stream &
 *     deno run --allow-ffi examples/stream.ts 100000
 *
 * Either may be started first. A channel goes one way, so there are two. Each side stops when the
 * other has closed, or died; the last one to leave removes the channels.
 */

import { Channel, cString, f64, struct, u16, u32 } from "../mod.ts";

const KEYS = { orders: 0x5eed1007, receipts: 0x5eed1008 };
const Order = struct({ id: u32, item: cString(12), count: u16, price: f64 });
const Receipt = struct({ id: u32, item: cString(12), total: f64 });
const ITEMS = ["bolt", "nut", "washer"] as const;

async function exchange(count: number): Promise<void> {
  using orders = Channel.of(Order, { key: KEYS.orders });
  using receipts = Channel.of(Receipt, { key: KEYS.receipts });
  using consumer = receipts.consumer();

  async function order(): Promise<void> {
    using producer = orders.producer(); // closed at the end: then the C program knows that was all
    for (let id = 0; id < count; id++) {
      const item = ITEMS[id % ITEMS.length]!;
      await producer.send({ id, item, count: 1 + id % 10, price: 0.25 }); // waits for room
    }
  }

  let [answered, sum] = [0, 0];
  async function collect(): Promise<void> {
    await consumer.consume(({ value }) => {
      if (value.id < 3) console.log(`receipt ${value.id}: ${value.item}, ${value.total}`);
      answered++;
      sum += value.total;
    }, { until: "closed" });
    if (answered === count) return;
    // No process takes the other orders: remove them; a send that waits for room then fails
    orders.remove();
    throw new Error(`the C program has ended: ${answered} of ${count} orders answered`);
  }

  // At once: if all orders were sent before the first receipt is read, both lanes could be full,
  // and each side would wait for the other
  await Promise.all([order(), collect()]);
  console.log(`${answered} of ${count} orders answered, ${sum} in all`);
}

if (Deno.args[0] === "--declare") {
  console.log(Order.declare("Order"));
  console.log(Receipt.declare("Receipt"));
} else {
  try {
    await exchange(Number(Deno.args[0]));
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : error}`);
    Deno.exitCode = 1;
  }
}
