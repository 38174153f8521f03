/** What opening and leaving costs, by `shm-typed-array` in Node: see `lifecycle.ts`. */
// deno-lint-ignore-file explicit-function-return-type no-process-global -- JavaScript, for Node
const shm = require("shm-typed-array");

const SIZE = 1 << 20;
const [key, count] = process.argv.slice(2).map(Number);

function median(action) {
  const times = new Float64Array(count);
  for (let i = -Math.ceil(count / 10); i < count; i++) {
    const start = performance.now();
    action();
    if (i >= 0) times[i] = (performance.now() - start) * 1e6;
  }
  return times.sort()[count >> 1];
}

const create = median(() => {
  shm.create(SIZE, "Buffer", key);
  shm.destroy(key);
});
console.log(JSON.stringify({ role: "costs", figures: { create } }));
