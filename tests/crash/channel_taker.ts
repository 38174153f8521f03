/**
 * How the channel's crash harness judges the messages of TypeScript consumers by the board: whole, in order,
 * none lost and none twice but what may be. `channel_taker.h` does the same for C peers.
 */

import { peerMessage } from "../channel/peer_messages.ts";
import { type Board, type Record, Violation } from "./board.ts";

/** What payloads are written over with, behind the sequence number. */
const REWRITTEN_WITH: readonly number[] = [0x41, 0xc3];
const REWRITTEN_FROM = 8;
/** A message's place in a channel. */
interface Received {
  readonly bytes: Uint8Array;
  readonly tag: number;
  readonly lane: number;
}

/** What one consumer, as long as it lives, has received. */
export class Taker {
  readonly #board: Board;
  /** Of each tag, once one came: the next one to come. */
  readonly #next = new Map<number, number>();
  /** Tags with messages seen and not yet freed. */
  readonly #touched = new Set<number>();

  constructor(board: Board) {
    this.#board = board;
  }

  /** Checks a message and notes it. `copied`: it is freed already. */
  take(
    { bytes, tag, lane }: Received,
    copied: boolean,
    lengthOf: (sequence: number) => number,
  ): void {
    if (tag >= this.#board.tags) throw new Violation(`there is no tag ${tag}`);
    if (bytes.length < 8) throw new Violation(`tag ${tag}: a message of ${bytes.length} bytes`);
    const record = this.#board.record(tag);
    if (record.lane !== lane + 1) {
      throw new Violation(`tag ${tag} is lane ${record.lane - 1}'s, and came through lane ${lane}`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const sequence = Number(view.getBigUint64(0, true));
    if (sequence >= record.intent) {
      throw new Violation(`tag ${tag}: message ${sequence} was never published`);
    }
    const right = peerMessage(sequence, tag, lengthOf(sequence));
    // Another process may write there
    const own = bytes.slice();
    const { rewriting } = this.#board;
    const differs = (byte: number, i: number): boolean => byte !== own[i];
    const at = right.findIndex((byte, i) =>
      differs(byte, i) &&
      !(rewriting && i >= REWRITTEN_FROM && REWRITTEN_WITH.includes(own[i]!))
    );
    if (at === -1 && right.some(differs)) this.#board.rewritten();
    if (bytes.length !== right.length || at !== -1) {
      throw new Violation(
        `tag ${tag}: message ${sequence} has ${bytes.length} bytes instead of ${right.length}, or ` +
          `is wrong at byte ${at}`,
      );
    }
    const next = this.#next.get(tag);
    if (next === undefined) this.#checkFirst(record, tag, sequence);
    else if (sequence !== next) {
      throw new Violation(`tag ${tag}: message ${sequence} comes where ${next} should`);
    }
    this.#next.set(tag, sequence + 1);
    // First that it is freed: killed in between, it counts as in hand, and not as one to come again
    if (copied) record.freed = sequence + 1;
    else this.#touched.add(tag);
    if (record.seen <= sequence) record.seen = sequence + 1;
  }

  /** The first message of a tag that this consumer sees: what was before it, and whether that may be. */
  #checkFirst(record: Record, tag: number, sequence: number): void {
    const { seen, freed } = record;
    if (sequence < freed) {
      throw new Violation(
        `tag ${tag}: message ${sequence} comes again, although all before ${freed} were freed`,
      );
    }
    if (sequence < seen) this.#board.repeated(seen - sequence);
    if (sequence > seen) {
      // First that they were passed over: a process killed in between does not count them a second time
      record.seen = sequence;
      this.#board.missed(
        sequence - seen,
        `tag ${tag}: message ${sequence} comes after ${seen}, what is between`,
      );
    }
  }

  /** All that was taken is freed now. */
  noteFreed(): void {
    for (const tag of this.#touched) this.#board.record(tag).freed = this.#next.get(tag)!;
    this.#touched.clear();
  }
}
