/**
 * `shm-typed-array` in Node: both sides spin over its memory. ADDRESS is a key. Messages go through a ring
 * of equal slots written by hand, published in batches as the channel's are; it knows no waiting, no
 * other lengths, no other producers and no crash. A round trip is two words and no message: the least
 * JavaScript can do.
 */
// deno-lint-ignore-file explicit-function-return-type no-process-global -- JavaScript, for Node
const shm = require("shm-typed-array");
const { Arrivals, batchOf, COPIED, Meter, play, RoundTrips } = require("./node_peer.cjs");

/** The words, on lines of their own: bytes 0 and 128. */
const TAIL = 0;
const HEAD = 32;
const RING_AT = 256;
const RING_BYTES = 1 << 20;

function slotsOf(size) {
  return 2 ** Math.max(2, Math.floor(Math.log2(RING_BYTES / size)));
}

/** Whoever comes first creates it, zeroed; a segment has one size, so the other finds the same. */
function open({ address, size }) {
  const key = Number(address);
  const bytes = RING_AT + slotsOf(size) * size;
  const buffer = shm.create(bytes, "Buffer", key) ?? shm.get(key, "Buffer");
  if (buffer === null) throw new Error("no segment");
  return { words: new Int32Array(buffer.buffer, buffer.byteOffset, RING_AT / 4), buffer, key };
}

play({
  recv(part) {
    const { words, buffer, key } = open(part);
    const { size } = part;
    const slots = slotsOf(size);
    const arrivals = new Arrivals(part);
    const copy = new Uint8Array(size);
    let sum = 0;
    for (let head = 0; arrivals.open;) {
      const tail = Atomics.load(words, TAIL);
      if (tail === head) continue;
      const from = head;
      for (; head !== tail; head = (head + 1) | 0) {
        const at = RING_AT + (head & (slots - 1)) * size;
        if (size < COPIED) sum += buffer[at];
        else copy.set(buffer.subarray(at, at + size));
      }
      Atomics.store(words, HEAD, head);
      arrivals.add((head - from) | 0);
    }
    if (sum + copy[0] === 0) throw new Error("empty messages arrived");
    shm.destroy(key);
  },
  send(part) {
    const { words, buffer } = open(part);
    const { size } = part;
    const slots = slotsOf(size);
    const batch = Math.min(batchOf(size), slots);
    const message = new Uint8Array(size).fill(1);
    const meter = new Meter(part);
    let tail = 0;
    const run = (count) => {
      for (let left = count; left > 0;) {
        const now = Math.min(batch, left);
        while (slots - ((tail - Atomics.load(words, HEAD)) | 0) < now);
        for (let i = 0; i < now; i++, tail = (tail + 1) | 0) {
          buffer.set(message, RING_AT + (tail & (slots - 1)) * size);
        }
        Atomics.store(words, TAIL, tail);
        left -= now;
      }
    };
    run(part.warm);
    meter.begin();
    run(part.count);
    meter.end(part.count);
  },
  ping(part) {
    const { words, key } = open(part);
    const trips = new RoundTrips(part);
    for (let i = 1; trips.open; i++) {
      Atomics.store(words, TAIL, i);
      while (Atomics.load(words, HEAD) !== i);
      trips.done();
    }
    trips.end();
    shm.destroy(key);
  },
  pong(part) {
    const { words } = open(part);
    const meter = new Meter(part);
    meter.begin();
    for (let i = 1; i <= part.count + part.warm; i++) {
      while (Atomics.load(words, TAIL) !== i);
      Atomics.store(words, HEAD, i);
    }
    meter.end(part.count);
  },
});
