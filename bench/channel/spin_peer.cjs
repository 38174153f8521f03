/**
 * Two Node processes that spin on two words of one System V segment, by shm-typed-array: the least a
 * round trip can cost in JavaScript. `spin_peer.cjs MODULE ping|pong KEY COUNT`.
 */
const [library, role, keyText, countText] = process.argv.slice(2);
const shm = require(library);
const key = Number(keyText);
const count = Number(countText);
const WARM_UP = 20_000;
/** The two words, on lines of their own. */
const THERE = 0;
const BACK = 64;

let words = role === "ping" ? shm.create(128, "Int32Array", key) : null;
const patience = Date.now() + 5_000;
while (words === null && Date.now() < patience) words = shm.get(key, "Int32Array");
if (words === null) throw new Error("no segment");

if (role === "pong") {
  for (let i = 1; i <= count + WARM_UP; i++) {
    while (Atomics.load(words, THERE) !== i);
    Atomics.store(words, BACK, i);
  }
} else {
  const times = new Float64Array(count);
  for (let i = 1; i <= count + WARM_UP; i++) {
    const start = performance.now();
    Atomics.store(words, THERE, i);
    while (Atomics.load(words, BACK) !== i);
    if (i > WARM_UP) times[i - WARM_UP - 1] = performance.now() - start;
  }
  times.sort();
  console.log(JSON.stringify({ p50: times[count >> 1] * 1000 }));
  shm.destroy(key);
}
