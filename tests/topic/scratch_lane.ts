/** One lane over private memory, its messages, and a hand that drives the publisher between two loads. */

import assert from "node:assert/strict";
import { LanePublisher } from "../../src/topic/lane_publisher.ts";
import { LaneSubscriber } from "../../src/topic/lane_subscriber.ts";
import { LANE_WORD, type LaneMemory, laneMemory, STATE_WORD } from "../../src/topic/lane_words.ts";
import { RecordCopy } from "../../src/topic/record_copy.ts";
import { maxMessage, segmentSize } from "../../src/topic/shape.ts";
import { ShmError } from "../../ffi/shm_error.ts";

const TWO_32 = 2 ** 32;

/** The error for an impossible value. */
export function corrupt(what: string): ShmError {
  return new ShmError("go on", undefined, "ECORRUPT", { remedy: what });
}

/** The length of the message with this number, at most `most`. */
function lengthOf(number: number, most: number): number {
  return (Math.imul(number, 0x9e3779b1) >>> 16) % (most + 1);
}

/** The message with this number. Its bytes tell the number. */
export function message(number: number, most: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(lengthOf(number, most));
  for (let i = 0; i < bytes.length; i++) bytes[i] = (number * 31 + i * 7) & 0xff;
  return bytes;
}

/** One lane of `capacity` bytes. */
export class ScratchLane {
  readonly memory: LaneMemory;
  readonly capacity: number;
  /** Bytes of the longest message of this lane. */
  readonly most: number;
  publisher: LanePublisher;

  constructor(capacity: number, position = 0, count = 0, most = maxMessage(capacity)) {
    const shape = { lanes: 1, laneCapacity: capacity, messageSize: 0 };
    this.capacity = capacity;
    this.most = most;
    this.memory = laneMemory(new ArrayBuffer(segmentSize(shape)), shape, 0);
    this.begin(position, count);
    this.publisher = this.own();
  }

  /** Lets the lane begin at a position of 64 bits, after `count` messages that are gone. */
  begin(position: number, count: number): void {
    const { words } = this.memory;
    words[LANE_WORD.INTENT] = words[LANE_WORD.TAIL] = position;
    const at = LANE_WORD.STATE_0;
    words[at + STATE_WORD.TAIL] = position;
    // A record that is overwritten: where there is none, none is found
    words[at + STATE_WORD.LAST] = position - this.capacity - 8;
    words[at + STATE_WORD.COUNT_LOW] = count;
    words[at + STATE_WORD.COUNT_HIGH] = count / TWO_32;
    words[at + STATE_WORD.TAIL_HIGH] = position / TWO_32;
  }

  /** A new owner. */
  own(): LanePublisher {
    return new LanePublisher(this.memory, corrupt);
  }

  subscribe(history = 0, copy = new RecordCopy(this.capacity)): LaneSubscriber {
    return new LaneSubscriber(this.memory, 0, copy, history, corrupt);
  }

  /** Writes the next message; it is not published. */
  append(): void {
    const { publisher } = this;
    const bytes = message(this.count + 1, this.most);
    publisher.append(bytes, bytes.length, this.count + 1 >>> 0);
    this.#staged++;
  }

  /** Publishes `messages` messages, one by one. */
  publish(messages = 1): void {
    for (let i = 0; i < messages; i++) {
      this.append();
      this.publisher.publish();
      this.#staged = 0;
    }
  }

  /** Whether the next message still belongs into one batch with those that are appended. */
  get fitsBatch(): boolean {
    const { length } = message(this.count + 1, this.most);
    return this.publisher.stagedWith(length) <= this.capacity / 4;
  }

  #staged = 0;

  /** Publishes what was appended. */
  publishAppended(): void {
    this.publisher.publish();
    this.#staged = 0;
  }

  /** A new owner takes the lane of one that was killed. */
  kill(): void {
    this.#staged = 0;
    this.publisher = this.own();
  }

  /** Messages appended so far. */
  get count(): number {
    return this.publisher.count + this.#staged;
  }
}

/** Checks messages: each is whole, and follows the one before it and those that were missed. */
export class Checker {
  /** The number of the message before. */
  last: number;
  received = 0;
  missed = 0;
  readonly #most: number;

  constructor(last: number, most: number) {
    this.last = last;
    this.#most = most;
  }

  readonly visit = (
    bytes: Uint8Array<ArrayBuffer>,
    tag: number,
    lane: number,
    missed: number,
  ): void => {
    assert.equal(lane, 0);
    this.last += missed + 1;
    this.missed += missed;
    this.received++;
    assert.equal(tag, this.last >>> 0, "the message that follows");
    const expected = message(this.last, this.#most);
    assert.equal(bytes.length, expected.length, `the length of message ${this.last}`);
    assert(bytes.every((byte, i) => byte === expected[i]), `message ${this.last} is not whole`);
  };
}

/**
 * Runs `action`, and calls `meanwhile` before its `step`-th access by `Atomics`. Returns whether there were
 * that many.
 */
export function between(step: number, action: () => void, meanwhile: () => void): boolean {
  const { load, store } = Atomics;
  let steps = 0;
  let busy = false;
  const pass = (): void => {
    if (busy || steps++ !== step) return;
    busy = true;
    meanwhile();
    busy = false;
  };
  Atomics.load = ((...from: Parameters<typeof load>) => {
    pass();
    return load(...from);
  }) as typeof load;
  Atomics.store = ((...to: Parameters<typeof store>) => {
    pass();
    return store(...to);
  }) as typeof store;
  try {
    action();
  } finally {
    Object.assign(Atomics, { load, store });
  }
  return steps > step;
}
