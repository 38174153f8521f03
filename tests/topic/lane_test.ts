/**
 * One lane, its publisher and its subscribers, over private memory: the publisher is driven by hand between
 * the steps of a subscriber.
 */

import assert from "node:assert/strict";
import { RECORD } from "../../src/topic/descriptor.ts";
import { LanePublisher } from "../../src/topic/lane_publisher.ts";
import type { LaneSubscriber } from "../../src/topic/lane_subscriber.ts";
import { LANE_WORD, RECORD_WORD, STATE_WORD } from "../../src/topic/lane_words.ts";
import { RecordCopy } from "../../src/topic/record_copy.ts";
import { maxMessage } from "../../src/topic/shape.ts";
import { Random, seed } from "../crash/random.ts";
import { between, Checker, corrupt, message, ScratchLane } from "./scratch_lane.ts";

const MANY = 1e9;
const TWO_32 = 2 ** 32;

/** Receives all that is there, and fails if the lane does. */
function receiveAll(subscriber: LaneSubscriber, checker: Checker): void {
  while (subscriber.look()) {
    subscriber.drain(checker.visit, MANY);
    const failure = subscriber.takeFailure();
    if (failure !== undefined) throw failure;
  }
}

/** Receives all that is there, and checks that all messages since `first` were received or missed. */
function account(
  lane: ScratchLane,
  subscriber: LaneSubscriber,
  checker: Checker,
  first: number,
): void {
  receiveAll(subscriber, checker);
  assert.equal(checker.received + subscriber.missed, lane.count - first);
  // Those that were missed after the last message are reported with the next one
  assert.equal(checker.last + subscriber.missed - checker.missed, lane.count);
}

Deno.test("LaneSubscriber: gets what is published after it started, in order and whole", () => {
  const lane = new ScratchLane(256);
  lane.publish(5);
  const subscriber = lane.subscribe();
  const checker = new Checker(5, lane.most);
  assert.equal(subscriber.look(), false);
  assert.equal(subscriber.drain(checker.visit, MANY), 0);
  for (let i = 0; i < 1000; i++) {
    lane.publish();
    assert.equal(subscriber.look(), true);
    assert.equal(subscriber.drain(checker.visit, MANY), 1);
    assert.equal(subscriber.look(), false);
  }
  assert.equal(checker.missed, 0);
});

Deno.test("LaneSubscriber: one that is overrun before it reaches the tail goes back less far", () => {
  const lane = new ScratchLane(1 << 16, 0, 0, 0);
  const subscriber = lane.subscribe();
  const messages = lane.capacity / RECORD.size;
  /** Receives what it can get, while `more` messages are published, and returns how many it got. */
  const receive = (more: number): number =>
    subscriber.drain(() => {
      lane.publish(more);
      more = 0;
    }, MANY);
  lane.publish(2 * messages);
  const [first, second, third] = Array.from({ length: 3 }, () => receive(2 * messages)) as [
    number,
    number,
    number,
  ];
  assert(first > messages / 2 && first <= messages / 8 * 7, `${first} of ${messages}`);
  assert(second > 0 && second <= messages / 4, `${second} after ${first}`);
  assert(third > 0 && third <= messages / 4, `${third} after ${second}`);
  // At the tail it has caught up
  assert(receive(0) <= messages / 4);
  lane.publish(2 * messages);
  assert(receive(0) > messages / 2);
});

Deno.test("LaneSubscriber: messages of every length, at every place of the ring", () => {
  for (const capacity of [256, 512, 1 << 17, 1 << 19]) {
    const most = maxMessage(capacity);
    const lane = new ScratchLane(capacity);
    const subscriber = lane.subscribe();
    let seen = 0;
    const lengths = capacity <= 512
      ? Array.from({ length: most + 1 }, (_, length) => length)
      : [0, 1, 255, 256, 257, 1008, 1009, 5000, 65519, 65520, 65521, most - 1, most].filter((n) =>
        n <= most
      );
    for (let round = 0; round < 3; round++) {
      for (const length of lengths) {
        const bytes = new Uint8Array(length).map((_, i) => (i + seen) & 0xff);
        lane.publisher.append(bytes, length, length);
        lane.publisher.publish();
        subscriber.drain((payload, tag, _, missed) => {
          assert.deepEqual([payload.length, tag, missed], [length, length, 0]);
          assert.deepEqual(payload, bytes);
          seen++;
        }, MANY);
      }
    }
    assert.equal(seen, 3 * lengths.length);
  }
});

Deno.test("LaneSubscriber.drain: at most as many as asked for; the others stay", () => {
  const lane = new ScratchLane(4096, 0, 0, 8);
  const subscriber = lane.subscribe();
  const checker = new Checker(0, lane.most);
  lane.publish(10);
  assert.deepEqual([3, 1, 4, 9].map((most) => subscriber.drain(checker.visit, most)), [3, 1, 4, 2]);
  assert.equal(subscriber.look(), false);
});

Deno.test("LaneSubscriber.drain: a message whose visitor throws comes again", () => {
  const lane = new ScratchLane(4096);
  const subscriber = lane.subscribe();
  const checker = new Checker(0, lane.most);
  lane.publish(5);
  let calls = 0;
  const visit: typeof checker.visit = (...message) => {
    if (++calls === 3) throw new Error("no more");
    checker.visit(...message);
  };
  assert.throws(() => subscriber.drain(visit, MANY), /no more/);
  assert.equal(subscriber.drain(visit, MANY), 3);
  assert.deepEqual([checker.received, checker.missed], [5, 0]);
  const promising = (() => Promise.resolve()) as unknown as typeof checker.visit;
  lane.publish();
  assert.throws(() => subscriber.drain(promising, MANY), TypeError);
  assert.equal(subscriber.drain(checker.visit, MANY), 1);
});

Deno.test("LaneSubscriber.drain: memory that a visitor transfers away is replaced", () => {
  for (const capacity of [1 << 12, 1 << 20]) {
    const lane = new ScratchLane(capacity);
    const subscriber = lane.subscribe();
    const checker = new Checker(0, lane.most);
    for (let i = 0; i < 20; i++) {
      lane.publish(2);
      subscriber.drain((bytes, ...message) => {
        checker.visit(bytes, ...message);
        structuredClone(bytes, { transfer: [bytes.buffer] });
      }, MANY);
    }
    account(lane, subscriber, checker, 0);
    assert.equal(checker.missed, 0);
    let throwing = true;
    lane.publish();
    const visit: typeof checker.visit = (bytes, ...message) => {
      if (!throwing) return checker.visit(bytes, ...message);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      throwing = false;
      throw new Error("transferred");
    };
    assert.throws(() => subscriber.drain(visit, MANY), /transferred/);
    account(lane, subscriber, checker, 0);
  }
});

Deno.test("LaneSubscriber: an overrun is told exactly, and the oldest whole message is next", () => {
  for (const most of [0, 8, 48]) {
    for (let messages = 1; messages < 60; messages++) {
      const lane = new ScratchLane(256, 0, 0, most);
      const subscriber = lane.subscribe();
      const checker = new Checker(0, most);
      lane.publish(messages);
      account(lane, subscriber, checker, 0);
      assert.equal(subscriber.missed, checker.missed);
      assert.equal(checker.last, messages);
      if (checker.missed === 0) continue;
      // One more would begin in the eighth that is left to be written
      const kept = Array.from({ length: checker.received + 1 }, (_, i) => messages - i)
        .reduce((sum, number) => sum + 16 + Math.ceil(message(number, most).length / 8) * 8, 0);
      assert(kept > 256 - 32 - 2 * 64, `${kept} bytes would be kept, padding not counted`);
    }
  }
});

Deno.test("LaneSubscriber: overrun between any two of its steps, by any number of messages", () => {
  let runs = 0;
  for (const ahead of [0, 1, 3, 20]) {
    for (const meanwhile of [1, 2, 3, 4, 5, 7, 9, 12, 20, 40]) {
      for (let step = 0;; step++) {
        const lane = new ScratchLane(256, 0, 0, 40);
        lane.publish(3);
        const subscriber = lane.subscribe();
        const checker = new Checker(3, lane.most);
        lane.publish(ahead);
        const passed = between(
          step,
          () => receiveAll(subscriber, checker),
          () => lane.publish(meanwhile),
        );
        if (!passed) break;
        runs++;
        account(lane, subscriber, checker, 3);
        assert.equal(checker.last, lane.count);
        assert.equal(subscriber.missed, checker.missed);
      }
    }
  }
  assert(runs > 500, `${runs} runs`);
});

/** A copy during which the publisher goes on: its halves are of two times. */
class TornCopy extends RecordCopy {
  meanwhile: (() => void) | undefined;

  override load(...from: Parameters<RecordCopy["load"]>): number {
    const [memory, index] = from;
    const copied = super.load(...from);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    if (meanwhile === undefined) return copied;
    meanwhile();
    const half = copied >> 4 << 2;
    this.words.set(memory.ring.subarray((index >> 2) + half, (index + copied) >> 2), half);
    return copied;
  }

  override loadLong(...from: Parameters<RecordCopy["loadLong"]>): void {
    const [memory, index, length] = from;
    super.loadLong(...from);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    if (meanwhile === undefined) return;
    meanwhile();
    const half = length >> 1;
    this.long.set(
      memory.bytes.subarray(index + RECORD.size + half, index + RECORD.size + length),
      half,
    );
  }
}

Deno.test("LaneSubscriber: nothing is handed out of a copy that was overwritten meanwhile", () => {
  let overruns = 0;
  for (const [capacity, most] of [[256, 48], [256, 8], [4096, 1008], [1 << 19, (1 << 17) - 16]]) {
    for (let i = 0; i < 80; i++) {
      const meanwhile = i >> 1;
      const isWriting = i % 2 === 1;
      const lane = new ScratchLane(capacity!, 0, 0, most);
      const copy = new TornCopy(capacity!);
      const subscriber = lane.subscribe(0, copy);
      const checker = new Checker(0, lane.most);
      lane.publish(2);
      for (let i = 0; i < 10; i++) {
        copy.meanwhile = () => {
          lane.publish(meanwhile);
          if (isWriting) lane.append();
        };
        subscriber.drain(checker.visit, MANY);
        assert.equal(subscriber.takeFailure(), undefined);
        lane.publishAppended();
      }
      account(lane, subscriber, checker, 0);
      overruns += checker.missed;
    }
  }
  assert(overruns > 0);
});

Deno.test("LaneSubscriber: history gives the newest messages, at most as many as there are", () => {
  const lane = new ScratchLane(1024, 0, 0, 8);
  assert.equal(lane.subscribe(Infinity).look(), false);
  lane.publish(10);
  for (const history of [0, 1, 3, 10, 11, Infinity]) {
    const checker = new Checker(10 - Math.min(history, 10), lane.most);
    const subscriber = lane.subscribe(history);
    receiveAll(subscriber, checker);
    assert.deepEqual([checker.received, subscriber.missed], [Math.min(history, 10), 0]);
  }
  lane.publish(1000);
  const subscriber = lane.subscribe(Infinity);
  const oldest = subscriber.next;
  assert(oldest < 1000 && oldest > 960, `from ${oldest}`);
  const checker = new Checker(oldest - 1, lane.most);
  receiveAll(subscriber, checker);
  assert.deepEqual([checker.last, checker.missed], [1010, 0]);
});

Deno.test("LaneSubscriber: a walk through the history that is overtaken at any step", () => {
  for (const meanwhile of [1, 3, 10, 30, 60]) {
    for (let step = 0;; step++) {
      const lane = new ScratchLane(2048, 0, 0, 8);
      lane.publish(300);
      let subscriber: LaneSubscriber | undefined;
      const passed = between(
        step,
        () => subscriber = lane.subscribe(Infinity),
        () => lane.publish(meanwhile),
      );
      const checker = new Checker(subscriber!.next - 1, lane.most);
      assert(checker.last >= 200);
      receiveAll(subscriber!, checker);
      assert.equal(checker.last, lane.count);
      if (!passed) break;
    }
  }
});

Deno.test("LaneSubscriber: a walk that finds nothing left starts at the tail", () => {
  const lane = new ScratchLane(256, 0, 0, 40);
  lane.publish(20);
  // All of the ring may be written over
  lane.memory.words[LANE_WORD.INTENT] = lane.memory.words[LANE_WORD.TAIL]! + 256;
  const subscriber = lane.subscribe(Infinity);
  assert.equal(subscriber.next, 21);
  assert.equal(subscriber.look(), false);
});

Deno.test("LaneSubscriber: positions pass 2^32, message numbers too, and nothing is missed", () => {
  for (const position of [TWO_32 - 512, 2 ** 31 - 512, 7 * TWO_32 - 64]) {
    for (const count of [0, TWO_32 - 3, 2 ** 31 - 3, 5 * TWO_32 - 10]) {
      const lane = new ScratchLane(256, position, count);
      const subscriber = lane.subscribe();
      const checker = new Checker(count, lane.most);
      for (let i = 0; i < 100; i++) {
        lane.publish();
        subscriber.drain(checker.visit, MANY);
      }
      assert.deepEqual([checker.received, checker.missed, lane.count], [100, 0, count + 100]);
      assert.equal(subscriber.next, count + 101);
    }
  }
});

Deno.test("LaneSubscriber: an overrun across 2^32 is exact", () => {
  for (const count of [0, TWO_32 - 30]) {
    const lane = new ScratchLane(256, TWO_32 - 512, count);
    const subscriber = lane.subscribe();
    const checker = new Checker(count, lane.most);
    lane.publish(50);
    account(lane, subscriber, checker, count);
    assert(checker.missed > 30);
  }
});

/** Lets the lane look as if `rounds` times 4 GiB and `messages` more messages had been published. */
function lap(lane: ScratchLane, rounds: number, messages: number): void {
  const { words } = lane.memory;
  for (const at of [LANE_WORD.STATE_0, LANE_WORD.STATE_1]) {
    words[at + STATE_WORD.TAIL_HIGH]! += rounds;
    const count = (words[at + STATE_WORD.COUNT_LOW]! >>> 0) + messages;
    words[at + STATE_WORD.COUNT_LOW] = count;
    words[at + STATE_WORD.COUNT_HIGH]! += Math.floor(count / TWO_32);
  }
  // The records of the ring count on
  lane.kill();
  const tail = words[LANE_WORD.TAIL]!;
  for (let position = tail - lane.capacity; position < tail; position += 8) {
    const at = (position & (lane.capacity - 1)) >> 2;
    if (lane.memory.ring[at + RECORD_WORD.TAG] !== lane.memory.ring[at + RECORD_WORD.NUMBER]) {
      continue;
    }
    lane.memory.ring[at + RECORD_WORD.NUMBER]! += messages;
  }
}

Deno.test("LaneSubscriber: lapped by exactly 4 GiB, it is told how many it missed", () => {
  for (const rounds of [1, 3]) {
    for (const messages of [1000, TWO_32, 3 * TWO_32 + 5]) {
      for (const behind of [0, 2]) {
        const lane = new ScratchLane(256, 0, 0, 0);
        lane.publish(5);
        const subscriber = lane.subscribe();
        lane.publish(behind);
        lap(lane, rounds, messages);
        assert.equal(subscriber.look(), true);
        const seen: number[] = [];
        subscriber.drain((_bytes, _tag, _lane, missed) => seen.push(missed), MANY);
        assert.equal(subscriber.takeFailure(), undefined);
        assert.equal(subscriber.missed + seen.length, messages + behind);
        assert.equal(subscriber.next, 6 + behind + messages);
      }
    }
  }
});

Deno.test("LaneSubscriber: lapped by exactly 4 GiB in the middle of a copy, it hands out nothing of it", () => {
  const lane = new ScratchLane(256, 0, 0, 48);
  const copy = new TornCopy(256);
  const subscriber = lane.subscribe(0, copy);
  lane.publish(2);
  copy.meanwhile = () => {
    // The same positions, one round later: other bytes, other numbers
    lap(lane, 1, 1000);
    lane.memory.bytes.forEach((byte, i, all) => all[i] = i % 64 < 16 ? byte : byte ^ 0xff);
  };
  const seen: number[] = [];
  subscriber.drain((_bytes, _tag, _lane, missed) => seen.push(missed), 1);
  assert.notEqual(seen[0], 0, "a torn message");
  assert.equal(subscriber.missed + seen.length + (lane.count - subscriber.next), 1001);
});

Deno.test("LanePublisher: killed at any step, the next owner goes on, and never lowers intent", () => {
  const { INTENT, TAIL } = LANE_WORD;
  for (const position of [0, TWO_32 - 128]) {
    for (const appended of [1, 2, 3, 4]) {
      for (const kills of [1, 2, 5]) {
        const lane = new ScratchLane(512, position, 0, 30);
        const subscriber = lane.subscribe();
        const checker = new Checker(0, lane.most);
        lane.publish(3);
        for (let kill = 0; kill < kills; kill++) {
          for (let i = 0; i < appended; i++) lane.append();
          const intent = lane.memory.words[INTENT]!;
          const tail = lane.memory.words[TAIL]!;
          lane.kill();
          assert.equal(lane.count, 3 + kill * 2);
          lane.publish(1);
          assert(((lane.memory.words[INTENT]! - intent) | 0) >= 0, "intent went back");
          assert(((lane.memory.words[TAIL]! - tail) | 0) > 0);
          lane.publish(1);
        }
        account(lane, subscriber, checker, 0);
      }
    }
  }
});

Deno.test("LanePublisher: killed between any two of its stores, no torn message comes", () => {
  class Killed extends Error {}
  for (let step = 0;; step++) {
    const lane = new ScratchLane(256, 0, 0, 40);
    const subscriber = lane.subscribe(Infinity);
    const checker = new Checker(0, lane.most);
    lane.publish(7);
    let killed = false;
    try {
      const passed = between(step, () => lane.publish(3), () => {
        throw new Killed();
      });
      if (!passed) break;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      killed = true;
    }
    assert(killed);
    lane.kill();
    account(lane, subscriber, checker, 0);
    lane.publish(5);
    account(lane, subscriber, checker, 0);
    assert(checker.last >= 12);
  }
});

Deno.test("LanePublisher: intent is ahead of all that is written, and a batch is seen at once", () => {
  const { INTENT, TAIL } = LANE_WORD;
  for (const capacity of [256, 1024, 4096]) {
    const lane = new ScratchLane(capacity, TWO_32 - 64, 0, 8);
    const subscriber = lane.subscribe();
    const checker = new Checker(0, lane.most);
    const { publisher, memory: { words } } = lane;
    for (let batch = 0; batch < 50; batch++) {
      const tail = words[TAIL]!;
      for (let i = 0; i < 2; i++) {
        lane.append();
        const announced = (words[INTENT]! - tail) | 0;
        assert(announced >= publisher.stagedWith(0) - 16, "written before it was announced");
        assert(announced <= capacity / 4 + capacity / 64);
        assert.equal(subscriber.look(), false);
      }
      assert.equal(publisher.staged, 2);
      lane.publishAppended();
      assert.equal(subscriber.drain(checker.visit, MANY), 2);
    }
  }
});

Deno.test("LanePublisher.discard: what was not published is gone", () => {
  const lane = new ScratchLane(1024, 0, 0, 30);
  const subscriber = lane.subscribe();
  const checker = new Checker(0, lane.most);
  lane.publish(2);
  lane.publisher.append(new Uint8Array(9), 9, 7);
  lane.publisher.append(new Uint8Array(9), 9, 7);
  lane.publisher.discard();
  lane.publish(20);
  account(lane, subscriber, checker, 0);
});

Deno.test("LanePublisher: refuses words that are impossible for a lane", () => {
  const { INTENT, TAIL, STATE_0 } = LANE_WORD;
  const spoilt: [number, number][] = [
    [TAIL, 8],
    [TAIL, 4],
    [INTENT, -8],
    [INTENT, 4],
    [INTENT, 4096],
    [STATE_0 + STATE_WORD.LAST, 3],
    [STATE_0 + STATE_WORD.COUNT_HIGH, -1],
    [STATE_0 + STATE_WORD.TAIL_HIGH, 1 << 21],
  ];
  for (const [word, value] of spoilt) {
    const lane = new ScratchLane(256, 1024, 10);
    lane.memory.words[word] = value;
    assert.throws(() => new LanePublisher(lane.memory, corrupt), { code: "ECORRUPT" });
  }
});

Deno.test("LaneSubscriber: an impossible value is ECORRUPT once, and the lane starts again at its tail", () => {
  const spoil: ((lane: ScratchLane, at: number) => void)[] = [
    ({ memory: { ring } }, at) => ring[at + RECORD_WORD.LENGTH] = 49,
    ({ memory: { ring } }, at) => ring[at + RECORD_WORD.LENGTH] = -2,
    ({ memory: { ring } }, at) => ring[at + RECORD_WORD.LENGTH] = -1,
    ({ memory: { ring } }, at) => ring[at + RECORD_WORD.LENGTH] = 48,
    ({ memory: { ring } }, at) => ring[at + RECORD_WORD.NUMBER] = 99,
    ({ memory: { words } }) => words[LANE_WORD.STATE_0 + STATE_WORD.TAIL] = 1,
    ({ memory: { words } }) => words[LANE_WORD.TAIL]! += 4,
    ({ memory: { words } }) => words[LANE_WORD.TAIL]! -= 64,
  ];
  for (const [which, act] of spoil.entries()) {
    const lane = new ScratchLane(256, 0, 0, 8);
    lane.publish(3);
    const subscriber = lane.subscribe();
    const at = (lane.memory.words[LANE_WORD.TAIL]! & 255) >> 2;
    lane.publish(1);
    act(lane, at);
    let failures = 0;
    for (let i = 0; i < 10; i++) {
      subscriber.drain(() => assert.fail(`case ${which} handed something out`), MANY);
      const failure = subscriber.takeFailure();
      if (failure === undefined) continue;
      assert.equal(failure.code, "ECORRUPT");
      failures++;
    }
    assert.equal(failures, 1, `case ${which}`);
    lane.begin(4096, 100);
    lane.kill();
    lane.publish(1);
    subscriber.drain(() => {}, MANY);
    subscriber.takeFailure();
    lane.publish(1);
    const seen: number[] = [];
    subscriber.drain((_bytes, tag) => seen.push(tag), MANY);
    assert.equal(seen.at(-1), 102, `case ${which} goes on`);
  }
});

Deno.test("LaneSubscriber: impossible steps of the history are ECORRUPT, and it starts at the tail", () => {
  for (const [word, value] of [["NUMBER", 7], ["BACK", 8], ["BACK", 12], ["BACK", 0]] as const) {
    const lane = new ScratchLane(1024, 0, 0, 8);
    lane.publish(2);
    const at = (lane.memory.words[LANE_WORD.TAIL]! & 1023) >> 2;
    lane.publish(5);
    lane.memory.ring[at + RECORD_WORD[word]] = value;
    const subscriber = lane.subscribe(Infinity);
    assert.equal(subscriber.look(), true);
    assert.equal(subscriber.takeFailure()?.code, "ECORRUPT", `${word} ${value}`);
    assert.equal(subscriber.next, 8);
    lane.publish(1);
    const checker = new Checker(7, lane.most);
    receiveAll(subscriber, checker);
    assert.equal(checker.received, 1);
  }
});

Deno.test("LanePublisher and LaneSubscriber: random schedules against a model", () => {
  const first = seed();
  for (let schedule = 0; schedule < 2_000; schedule++) {
    const number = (first + schedule) >>> 0;
    try {
      runSchedule(new Random(number));
    } catch (failure) {
      throw new Error(`with SYSV_SHM_TEST_SEED=${number}`, { cause: failure });
    }
  }
});

/** Random publications, deaths and reads: every message comes whole and in order, or is counted as missed. */
function runSchedule(random: Random): void {
  const capacity = random.of([256, 512, 4096]);
  const position = random.of([
    0,
    TWO_32 - 8 * random.below(200),
    3 * TWO_32 - 8 * random.below(200),
  ]);
  const count = random.of([0, 17, TWO_32 - random.below(100)]);
  const lane = new ScratchLane(capacity, position, count, random.of([0, 8, 48, capacity / 4 - 16]));
  const shared = new TornCopy(capacity);
  const begin = (): [LaneSubscriber, Checker, number] => {
    const before = lane.publisher.count;
    const subscriber = lane.subscribe(random.of([0, 0, 1, 5, Infinity]), shared);
    const from = subscriber.next - 1;
    assert(from <= before && from >= count);
    return [subscriber, new Checker(from, lane.most), from];
  };
  const subscribers = Array.from({ length: 1 + random.below(3) }, begin);
  for (let step = 0; step < 60; step++) {
    const burst = (): void => lane.publish(random.of([1, 1, 2, 5, 30]));
    const [subscriber, checker] = random.of(subscribers);
    const drain = (): void => {
      const before = checker.received;
      const drained = subscriber.drain(checker.visit, random.of([1, 2, MANY]));
      assert.equal(drained, checker.received - before);
    };
    switch (random.below(6)) {
      case 0:
      case 1:
        burst();
        break;
      case 2:
        lane.append();
        for (let i = random.below(4); i > 0 && lane.fitsBatch; i--) lane.append();
        if (random.below(2) === 0) lane.publishAppended();
        else lane.kill();
        break;
      case 3:
        drain();
        break;
      case 4:
        shared.meanwhile = burst;
        drain();
        shared.meanwhile = undefined;
        break;
      case 5:
        between(random.below(12), drain, burst);
        break;
    }
    assert.equal(subscriber.takeFailure(), undefined);
  }
  for (const [subscriber, checker, from] of subscribers) {
    account(lane, subscriber, checker, from);
  }
}
