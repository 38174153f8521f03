/**
 * A pool of producers that feed one writer: workers look for primes, one process prints what all of
 * them find.
 *
 *     deno run --allow-ffi examples/pool.ts work 0      the primes of the first five million numbers
 *     deno run --allow-ffi examples/pool.ts work 1      of the next, and so on: as many as you like
 *     deno run --allow-ffi examples/pool.ts work 300    a slow one: kill it, with `kill -9`
 *     deno run --allow-ffi examples/pool.ts write       prints until all workers are gone
 *
 * Start each in a terminal of its own, or in the background with `&`. What a worker has sent arrives, even
 * if the worker was killed or there is no writer yet: it waits for the next writer. The lane of a killed
 * worker is free at once.
 */

import { Channel, struct, u32 } from "../mod.ts";

const SHARE = 5_000_000;
const BLOCK = 500_000;
const Block = struct({ worker: u32, pid: u32, from: u32, primes: u32 });

/** Slow on purpose: by trial division. */
function isPrime(n: number): boolean {
  if (n % 2 === 0) return n === 2;
  for (let divisor = 3; divisor * divisor <= n; divisor += 2) if (n % divisor === 0) return false;
  return n > 1;
}

const [role, number] = Deno.args;
using channel = Channel.of(Block, { key: 0x5eed1006, lanes: 64, laneCapacity: 4096 });

if (role === "work") {
  using producer = channel.producer(); // a lane of our own, as long as we live
  const worker = Number(number);
  for (let from = worker * SHARE; from < (worker + 1) * SHARE; from += BLOCK) {
    let primes = 0;
    for (let n = from; n < from + BLOCK; n++) if (isPrime(n)) primes++;
    await producer.send({ worker, pid: Deno.pid, from, primes });
  }
} else {
  using consumer = channel.consumer();
  const found = new Map<number, { worker: number; numbers: number; primes: number }>();
  await consumer.consume(({ value }) => {
    const { worker, pid, from, primes } = value;
    console.log(`process ${pid}: ${primes} primes from ${from} on`);
    const sum = found.get(pid) ?? { worker, numbers: 0, primes: 0 };
    found.set(pid, { worker, numbers: sum.numbers + BLOCK, primes: sum.primes + primes });
  }, { until: "closed" });
  let total = 0;
  for (const [pid, { worker, numbers, primes }] of found) {
    const all = numbers === SHARE ? "all" : "died after";
    console.log(`worker ${worker}, process ${pid}: ${primes} primes, ${all} ${numbers} numbers`);
    total += primes;
  }
  console.log(`${total} primes in all`);
}
