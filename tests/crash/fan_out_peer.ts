/**
 * A peer of the fan-out harness in TypeScript: the writer or a reader of a Latest, a publisher or a subscriber
 * of a Topic. `fan_out_peer.h` is the same in C, and says what is checked.
 */

import { Latest } from "../../mod.ts";
import type { LatestReader } from "../../src/latest/mod.ts";
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

const WAY = { LOOKING: 0, WAITING_FOR_NEWS: 1, READ_ONLY: 2 } as const;
const FIRST_RECEIVER = 2;
const MOST_LANES = 4;

const receives = number >= FIRST_RECEIVER;

/** What the lane's owner has published, or is about to. */
function laneRecord(lane: number): Record {
  return board.record(lane);
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
  const seen = board.record(MOST_LANES * (1 + number) + lane);
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
  if (plan.mode === WAY.LOOKING) return reader.read();
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

await run(
  () =>
    receives && plan.mode === WAY.READ_ONLY
      ? Latest.open(board.joining.key, { readOnly: true, trust: true })
      : Latest.openOrCreate({ ...board.joining, size: board.most, cells: board.lanes }),
  async (latest) => receives ? await read(latest) : write(latest),
);
