/** The end of an attach: the engine may still use the memory, and the addresses are released later. */

import assert from "node:assert/strict";
import { Segment } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { Peer } from "../support/peer.ts";

guardAgainstLeaks();

/** What a program prints, which ends by itself. */
async function printed(program: string): Promise<string> {
  await using peer = Peer.typescript(program, "--v8-flags=--expose-gc");
  const { stdout, stderr, code } = await peer.ended();
  assert.deepEqual([stderr, code], ["", 0]);
  return stdout;
}

/** Each begins work of the engine over `bytes`, and returns a fact of its end. */
const UNDER_WAY: Readonly<Record<string, string>> = {
  pbkdf2: `new Promise((resolve) =>
    crypto.pbkdf2(bytes, bytes.subarray(0, 64), 20_000, 32, "sha256", (_, key) => resolve(key.length)))`,
  scrypt: `new Promise((resolve) =>
    crypto.scrypt(bytes, bytes.subarray(0, 64), 32, { N: 2 ** 12 }, (_, key) => resolve(key.length)))`,
  "a read that waits for its peer": `(async () => {
    const listener = Deno.listen({ port: 0 });
    const [theirs, ours] = await Promise.all([listener.accept(), Deno.connect(listener.addr)]);
    const read = theirs.read(bytes);
    await new Promise((resolve) => setTimeout(resolve, 1));
    detach();
    await ours.write(new Uint8Array(9));
    const length = await read;
    for (const each of [theirs, ours, listener]) each.close();
    return length;
  })()`,
};

for (const [work, begin] of Object.entries(UNDER_WAY)) {
  testWith({ tools: ["deno"] }, `Segment.detach: ${work} in progress ends nothing`, async () => {
    const stdout = await printed(`
      import { Segment } from "@sysv/shm";
      import crypto from "node:crypto";
      const owner = Segment.create({ size: 1 << 20 });
      owner.remove();
      const results = [];
      for (let round = 0; round < 5; round++) {
        const segment = Segment.attach(owner.id);
        const { bytes } = segment;
        const detach = () => segment.detach();
        const result = ${begin};
        if (${!work.startsWith("a ")}) detach();
        results.push([await result, segment.attached, owner.stat().nattch]);
      }
      console.log(JSON.stringify(results));`);
    for (const [, attached, nattch] of JSON.parse(stdout)) {
      assert.deepEqual([attached, nattch], [false, 1]);
    }
  });
}

testWith(
  { tools: ["deno"] },
  "Segment.detach: the addresses are released, and no memory of others is hit",
  async () => {
    const stdout = await printed(`
    import { Segment } from "@sysv/shm";
    const owner = Segment.create({ size: 1 << 26 });
    owner.remove();
    owner.bytes[0] = 7;
    const size = () => Number(/VmSize:\\s+(\\d+)/.exec(Deno.readTextFileSync("/proc/self/status"))[1]);
    const maps = () => Deno.readTextFileSync("/proc/self/maps").split("\\n").length;
    const before = [size(), maps()];
    // Others that map memory meanwhile, on threads of their own
    const workers = [1, 2].map((mark) =>
      new Worker("data:text/javascript," + encodeURIComponent(\`
        let whole = true;
        onmessage = () => postMessage(whole);
        setInterval(() => {
          const blocks = Array.from({ length: 4 }, () => new Uint8Array(1 << 20).fill(\${mark}));
          for (const block of blocks) whole &&= block.every((byte) => byte === \${mark});
        });\`), { type: "module" }));
    let seen = 0;
    for (let i = 0; i < 2000; i++) {
      const segment = Segment.attach(owner.id);
      seen += segment.bytes[0];
      segment.detach();
      if (i % 500 === 499) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    const whole = await Promise.all(workers.map((worker) =>
      new Promise((resolve) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.postMessage(0);
      })));
    for (const worker of workers) worker.terminate();
    console.log(JSON.stringify({ seen, whole, nattch: owner.stat().nattch,
      gibibytes: (size() - before[0]) / 2 ** 20, maps: maps() - before[1] }));`);
    const { seen, whole, nattch, gibibytes, maps } = JSON.parse(stdout);
    assert.deepEqual([seen, whole, nattch], [14_000, [true, true], 1]);
    // All of them would be 125
    assert(gibibytes < 80, `${gibibytes} GiB of addresses more`);
    assert(maps < 1500, `${maps} mappings more`);
  },
);

Deno.test("Segment.detach: within one task, too, the addresses are bounded", () => {
  using owner = Segment.create({ size: 2 ** 40, noReserve: true });
  owner.remove();
  // A process has 2^47 bytes of addresses: enough for 128 of them
  for (let i = 0; i < 140; i++) {
    const segment = Segment.attach(owner.id);
    assert.equal(segment.buffer.byteLength, 2 ** 40);
    segment.detach();
  }
  assert.equal(owner.stat().nattch, 1);
});

Deno.test("Segment: a transferred buffer is reported as EDETACHED, and detach cuts it off", () => {
  using owner = Segment.create({ size: 64 });
  owner.remove();
  const segment = Segment.attach(owner.id);
  const moved = new Uint8Array(segment.buffer.transfer());
  assert.equal(segment.attached, false);
  for (const use of [() => segment.read(), () => segment.bytes, () => segment.text()]) {
    assert.throws(use, { code: "EDETACHED", message: /its buffer was transferred/ });
  }
  assert.equal(segment.stat().nattch, 2);
  moved[0] = 1;
  assert.equal(owner.bytes[0], 1);
  segment.detach();
  moved[0] = 2;
  assert.deepEqual([owner.bytes[0], owner.stat().nattch], [1, 1]);
});
