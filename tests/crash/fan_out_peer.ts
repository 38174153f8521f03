/**
 * A peer of the fan-out harness in TypeScript: the writer or a reader of a Latest, a publisher or a subscriber
 * of a Topic. `fan_out_peer.h` is the same in C, and says what is checked.
 */

import { ShmError } from "../../ffi/shm_error.ts";
import { Latest } from "../../mod.ts";
import type { LatestReader } from "../../src/latest/mod.ts";
import { type Publisher, statTopic, Topic } from "../../src/topic/mod.ts";
import { peerMessage } from "../channel/peer_messages.ts";
import { type Record, STATE, Violation } from "./board.ts";
import {
  board,
  ends,
  leave,
  length,
  number,
  plan,
  random,
  restSometimes,
  run,
  tryRemoval,
} from "./peer.ts";

const PROTOCOL = { LATEST: 0, TOPIC: 1 } as const;
const WAY = { LOOKING: 0, WAITING_FOR_NEWS: 1, READ_ONLY: 2 } as const;
const FIRST_RECEIVER = 2;
const MOST_LANES = 4;

const receives = number >= FIRST_RECEIVER;

/** What the lane's owner has published, or is about to. */
function laneRecord(lane: number): Record {
  return board.record(lane);
}

/** What this receiver has seen of a lane: `fan_out_peer.h` says how. */
function seenRecord(lane: number): Record {
  return board.record(MOST_LANES * (1 + number) + lane);
}

/** The number that a message has inside. */
function numberIn(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
}

/** A sender goes on where the last one ended: what that one began may be there, or not. */
function checkStart(record: Record, version: number): void {
  const { published, intent } = record;
  if (board.held && (version < published || version > intent)) {
    throw new Violation(
      `it goes on from ${version}, where ${published} was published and ${intent} begun`,
    );
  }
  record.intent = record.published = version;
}

/** Whole, what its number says, and not older than what was there. */
function check(lane: number, version: number, bytes: Uint8Array, least: number): void {
  if (version < least) {
    throw new Violation(`lane ${lane}: ${version} comes where ${least} was there already`);
  }
  const { intent } = laneRecord(lane);
  if (board.held && version > intent) {
    throw new Violation(
      `lane ${lane}: ${version} comes, and ${intent} was the last that was begun`,
    );
  }
  const right = peerMessage(version, lane, length(version));
  if (bytes.length !== right.length || right.some((byte, i) => byte !== bytes[i])) {
    throw new Violation(`lane ${lane}: number ${version} is wrong, of ${bytes.length} bytes`);
  }
  const seen = seenRecord(lane);
  seen.seen = version;
  seen.freed++;
  board.progress();
}

function write(latest: Latest): void {
  const record = laneRecord(0);
  // There is no other writer, and the kernel freed the role of the last one
  const writer = latest.writer();
  checkStart(record, writer.version);
  board.enter(STATE.WORKING);
  tryRemoval(latest);
  for (let n = 0; n < plan.lifespan && !board.finish; n++) {
    const version = writer.version + 1;
    const bytes = peerMessage(version, 0, length(version));
    record.intent = version;
    // An update begins with the newest value, and has its length
    if (version > 1 && board.least === board.most && random.below(2) === 0) {
      writer.update((there) => there.set(bytes));
    } else {
      writer.write(bytes);
    }
    record.published = version;
    board.progress();
    restSometimes();
  }
  leave(latest);
}

/** The next value; `undefined` if a reader that does not wait finds none. */
async function next(
  reader: LatestReader,
): Promise<{ readonly version: number; readonly value: Uint8Array } | undefined> {
  while (plan.mode === WAY.LOOKING) {
    try {
      return reader.read();
    } catch (error) {
      // With two cells a writer in C may overtake a thousand copies
      if (!ShmError.is(error, "EAGAIN")) throw error;
      board.progress();
    }
  }
  board.enter(STATE.WAITING);
  const change = random.below(2) === 0 ? reader.waitSync() : await reader.wait();
  board.enter(STATE.WORKING);
  return change;
}

async function read(latest: Latest): Promise<void> {
  const reader = latest.reader(ends);
  board.enter(STATE.WORKING);
  tryRemoval(latest);
  let last = 0;
  // Without a wait it does not notice that the object was removed
  const looks = plan.mode === WAY.LOOKING;
  for (let n = 0; n < plan.lifespan && !(looks && board.removed); n++) {
    const there = board.held ? laneRecord(0).published : 0;
    const newest = await next(reader);
    if (newest === undefined) {
      if (there !== 0) throw new Violation(`nothing was written, where ${there} was published`);
      board.progress();
    } else {
      if (!looks && newest.version === last) {
        throw new Violation(`no news: ${last}`);
      }
      check(0, newest.version, newest.value, Math.max(last, there));
      last = newest.version;
    }
    restSometimes();
  }
  leave(latest);
}

/** Publishes some messages one by one, or at once; gives the number of the last one. */
function publishSome(publisher: Publisher, record: Record, before: number): number {
  const count = random.below(2) === 0 ? 1 : 1 + random.below(8);
  const messages = Array.from(
    { length: count },
    (_, i) => peerMessage(before + 1 + i, publisher.lane, length(before + 1 + i)),
  );
  record.intent = before + count;
  const last = count === 1 ? publisher.publish(messages[0]!) : publisher.publishBatch(messages);
  if (last !== before + count) {
    throw new Violation(`${last} is the last of ${count} after ${before}`);
  }
  record.published = last;
  board.progress();
  return last;
}

function publish(topic: Topic): void {
  // There are no more publishers than lanes, and the kernel freed the lanes of the dead
  const publisher = topic.publisher();
  const record = laneRecord(publisher.lane);
  let last = statTopic(topic.id, { trust: true }).lanes[publisher.lane]!.messages;
  checkStart(record, last);
  board.enter(STATE.WORKING);
  tryRemoval(topic);
  for (let n = 0; n < plan.lifespan && !board.finish; n++) {
    last = publishSome(publisher, record, last);
    restSometimes();
  }
  leave(topic);
}

async function subscribe(topic: Topic): Promise<void> {
  const history = random.of([0, 1, 5, "all"] as const);
  const subscriber = topic.subscriber({ ...ends, history });
  const last = new Array<number>(board.lanes).fill(0);
  for (let lane = 0; lane < board.lanes; lane++) {
    // What was there before it came need not come
    seenRecord(lane).seen = laneRecord(lane).published;
  }
  const take = (bytes: Uint8Array, lane: number, version: number, missed: number): void => {
    const before = last[lane]!;
    if (before !== 0 && version !== before + 1 + missed) {
      throw new Violation(
        `lane ${lane}: ${version} comes behind ${before}, and ${missed} were missed`,
      );
    }
    last[lane] = version;
    seenRecord(lane).lane += missed;
    check(lane, version, bytes, 1);
  };
  board.enter(STATE.WORKING);
  tryRemoval(topic);
  const looks = plan.mode === WAY.LOOKING;
  for (let n = 0; n < plan.lifespan && !(looks && board.removed); n++) {
    const message = subscriber.tryReceive();
    if (message !== undefined) {
      take(message.bytes, message.lane, message.number, message.missed);
    } else if (looks) {
      board.progress();
    } else {
      board.enter(STATE.WAITING);
      if (random.below(2) === 0) subscriber.readySync();
      else await subscriber.ready();
      board.enter(STATE.WORKING);
      if (random.below(2) === 0) {
        // A visitor is not told the number: it is that of the one before, and what was missed
        subscriber.drain((bytes, _tag, lane, missed) => {
          const number = last[lane]! + 1 + missed;
          if (last[lane] !== 0) take(bytes, lane, number, missed);
          else last[lane] = numberIn(bytes);
        });
      }
    }
    restSometimes();
  }
  leave(topic);
}

const openLatest = (): Latest =>
  receives && plan.mode === WAY.READ_ONLY
    ? Latest.open(board.joining.key, { readOnly: true, trust: true })
    : Latest.openOrCreate({ ...board.joining, size: board.most, cells: board.lanes });

const openTopic = (): Topic =>
  receives && plan.mode === WAY.READ_ONLY
    ? Topic.open(board.joining.key, { readOnly: true, trust: true })
    : Topic.openOrCreate({
      ...board.joining,
      lanes: board.lanes,
      laneCapacity: board.capacity,
    });

if (board.protocol === PROTOCOL.LATEST) {
  await run(openLatest, async (latest) => receives ? await read(latest) : write(latest));
}
await run(openTopic, async (topic) => receives ? await subscribe(topic) : publish(topic));
