/**
 * The peer in Python (`examples/python/shm_peer.py`): its command line beside our command, and what it does
 * when it is stopped or killed in the middle of a copy. All else is in the conformance suite.
 */

import assert from "node:assert/strict";
import { Latest, Topic } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../support/peer.ts";
import { destroy } from "./observe.ts";
import { assertEnds, assertNothingAt } from "./programs.ts";

guardAgainstLeaks();

const NEEDS = { tools: ["deno", "python3"], files: true } as const;
const FOLDER = `${PROJECT}examples/python`;

const text = (value: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(value);

/** Starts `shm_peer.py` in one of its roles. */
function shmPeer(role: string, key: number, ...args: readonly string[]): Peer {
  return Peer.start("python3", [`${FOLDER}/shm_peer.py`, role, "--key", `${key}`, ...args]);
}

/**
 * A program in Python that has `key` and all of `shm_peer`. `step(text)` prints a line and goes on at the next
 * line of its input. `copy_in_halves(memory)` does that in the middle of the next copy.
 */
function python(key: number, program: string): Peer {
  const source = `import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from shm_peer import *
key = int(sys.argv[2])
def step(text):
    print(text, flush=True)
    sys.stdin.readline()
def copy_in_halves(memory):
    """The next copy from shared memory stands still in the middle, as step does."""
    read = memory.read
    def halves(at, length):
        memory.read = read
        half = read(at, length // 2)
        step("half")
        return half + read(at + length // 2, length - length // 2)
    memory.read = halves
${program}`;
  return Peer.start("python3", ["-c", source, FOLDER, `${key}`]);
}

/** The roles that talk to each other, and the same in our command. */
const TALKS = [
  ["client", ["--timeout", "20"], "server", ["--count", "2"], /^listening on/m],
  ["produce", ["--tag", "7"], "recv", ["--count", "2"], /^receiving at/m],
  ["publish", ["--tag", "7"], "sub", ["--count", "2"], /./],
] as const;

for (const [role, options, command, flags, listens] of TALKS) {
  testWith(NEEDS, `shm_peer.py ${role}: ${command} of our command gets its lines`, async () => {
    const key = freshKey();
    await using here = Peer.cli(command, "--key", `${key}`, ...flags);
    await here.stderr(listens);
    await using there = shmPeer(role, key, ...options);
    await there.write("grüße, 水\n\n");
    await there.endInput();
    await assertEnds(there, 0);
    const printed = await assertEnds(here, 0);
    assert.equal(printed.replaceAll("Received message: ", ""), "grüße, 水\n\n");
    assertNothingAt(key);
  });
}

for (const [role, command] of [["server", "client"], ["consume", "send"], ["subscribe", "pub"]]) {
  testWith(
    NEEDS,
    `shm_peer.py ${role}: prints the lines of ${command} of our command`,
    async () => {
      const key = freshKey();
      await using there = shmPeer(role!, key, "--count", "2", "--timeout", "20");
      await there.stderr(/^ready/m);
      await using here = Peer.cli(command!, "--key", `${key}`, "one", "two");
      await assertEnds(here, 0);
      assert.equal(await assertEnds(there, 0), "one\ntwo\n");
      assertNothingAt(key);
    },
  );
}

testWith(
  NEEDS,
  "shm_peer.py latest-set, latest-get, latest-watch: work beside our command",
  async () => {
    const key = freshKey();
    await using first = shmPeer("latest-set", key, "--size", "64", "--keep", "from Python");
    await assertEnds(first, 0);
    await using get = Peer.cli("latest", "get", `${key}`);
    assert.equal(await assertEnds(get, 0), "from Python\n");
    await using watch = shmPeer("latest-watch", key, "--count", "2", "--read-only");
    assert.equal(await watch.line(), "from Python");
    await using set = Peer.cli("latest", "set", `${key}`, "from the command");
    await assertEnds(set, 0);
    assert.equal(await assertEnds(watch, 0), "from Python\nfrom the command\n");
    await using read = shmPeer("latest-get", key);
    assert.equal(await assertEnds(read, 0), "from the command\n");
    await using remove = Peer.cli("latest", "rm", "--yes", `${key}`);
    await assertEnds(remove, 0);
    assertNothingAt(key);
  },
);

for (const [written, expected] of [[2, "1 aaaa"], [3, "4 dddd"], [7, "8 hhhh"]] as const) {
  const what = `a Python reader that ${written} of 4 cells overtake`;
  testWith(NEEDS, `LatestWriter: ${what} reads ${expected}`, async () => {
    const key = freshKey();
    {
      using latest = Latest.openOrCreate({ key, size: 4, cells: 4 });
      using writer = latest.writer();
      writer.write(text("aaaa"));
      await using reader = python(
        key,
        `with Latest(key, read_only=True) as latest:
    copy_in_halves(latest.memory)
    number, data = latest.read()
    print(number, data.decode())`,
      );
      assert.equal(await reader.line(), "half");
      for (const letter of "bcdefgh".slice(0, written)) writer.write(text(letter.repeat(4)));
      await reader.write("\n");
      assert.equal(await assertEnds(reader, 0), `half\n${expected}\n`);
    }
    assertNothingAt(key);
  });
}

testWith(NEEDS, "Latest: a Python writer killed within a value leaves the one before", async () => {
  const key = freshKey();
  {
    using latest = Latest.openOrCreate({ key, size: 8, cells: 2 });
    await using killed = python(
      key,
      `writer = LatestWriter(key, size=8)
writer.write(b"first")
writer.write(b"second")
writer.memory.store32 = lambda *_: step("all but published")
writer.write(b"third")`,
    );
    assert.equal(await killed.line(), "all but published");
    await destroy(killed);
    using reader = latest.reader();
    assert.deepEqual(reader.read(), { value: text("second"), version: 2 });
    using writer = latest.writer();
    assert.equal(writer.write(text("3rd")), 3);
    assert.deepEqual(reader.read(), { value: text("3rd"), version: 3 });
  }
  assertNothingAt(key);
});

for (const [published, expected] of [[7, "1 0 message 1"], [8, "3 2 message 3"]] as const) {
  const what = `a Python subscriber that ${published} of 8 messages overtake`;
  testWith(NEEDS, `Publisher: ${what} gets ${expected}`, async () => {
    const key = freshKey();
    {
      using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
      using publisher = topic.publisher();
      await using subscriber = python(
        key,
        `with Subscriber(key) as subscriber:
    step("there")
    copy_in_halves(subscriber.memory)
    got = subscriber.receive()
    print(got.number, got.missed, got.payload.decode())`,
      );
      assert.equal(await subscriber.line(), "there");
      publisher.publish(text("message 1"));
      await subscriber.write("\n");
      assert.equal(await subscriber.line(), "half");
      for (let n = 2; n <= published + 1; n++) publisher.publish(text(`message ${n}`));
      await subscriber.write("\n");
      assert.equal(await assertEnds(subscriber, 0), `there\nhalf\n${expected}\n`);
    }
    assertNothingAt(key);
  });
}

testWith(NEEDS, "Topic: goes on where a Python publisher was killed within a message", async () => {
  const key = freshKey();
  {
    using topic = Topic.openOrCreate({ key, lanes: 1, laneCapacity: 256 });
    using subscriber = topic.subscriber();
    await using killed = python(
      key,
      `publisher = Publisher(key)
publisher.publish(b"first")
publisher.publish(b"second")
store = publisher.memory.store32
publisher.memory.store32 = lambda at, value: \\
    step("all but published") if at == publisher.at + TOPIC_TAIL else store(at, value)
publisher.publish(b"never" * 8)`,
    );
    assert.equal(await killed.line(), "all but published");
    await destroy(killed);
    using publisher = topic.publisher();
    assert.equal(publisher.publish(text("third")), 3);
    const seen: string[] = [];
    subscriber.drain((bytes) => void seen.push(new TextDecoder().decode(bytes)));
    assert.deepEqual(seen, ["first", "second", "third"]);
    assert.equal(subscriber.missed, 0);
  }
  assertNothingAt(key);
});
