/**
 * The layout of the topic: its bytes, its semaphores, its numbers. Data only; `docs/wire_format.md`
 * defines their meaning, and `docs/memory_model.md` explains why it is correct. The first part of
 * `c/shm_topic_layout.h` is generated from this file (`deno task layout`).
 *
 * ```
 * offset  0          128         256      384               256 + 128 L
 *         ┌──────────┬───────────┬────────┬────────┬── ─ ───┬────────┬────────┬─── ─ ───┬──────────┐
 *         │ header   │ waiting   │ lane 0 │ lane 1 │  ...   │ ring 0 │ ring 1 │  ...    │ 32 bytes │
 *         └──────────┴───────────┴────────┴────────┴── ─ ───┴────────┴────────┴─── ─ ───┴──────────┘
 * ```
 *
 * Words that different processes write are 128 bytes apart. For each: its writer; its readers.
 *
 * - header: the creator, once; all peers. `magic` is stored last, `version` before it.
 * - waiting line, `waiting`: a subscriber that may write sets bit 0, a publisher counts the word up; all.
 * - lane: the lane's owner; subscribers. A state is written before the `tail` that it belongs to.
 * - ring: the owner writes from tail to `intent`; subscribers read from intent - capacity to tail. They
 *   may read what is being overwritten, and find out afterwards by `intent`.
 *
 * Invariants: 0 <= intent - tail <= capacity, modulo 2^32; positions are multiples of 8; from the oldest
 * record at or after intent - capacity to tail the ring holds whole records, and no record wraps. One of
 * the two states of a lane has the lane's tail: it says which record is the newest, and how many there
 * were.
 *
 * Edges: SYNC ready (magic), SYNC tail, SYNC overwrite (intent), SYNC waiting, SYNC role.
 */

import { array } from "../layout/array.ts";
import type { ArrayLayout, ScalarLayout, StructLayout } from "../layout/layout.ts";
import type { NamedStructs } from "../layout/layout_hash.ts";
import { u32 } from "../layout/scalar.ts";
import { struct } from "../layout/struct.ts";
import { type HeaderLayout, headerLayout, MAGIC as MAGICS } from "../sync/header_layout.ts";
import { LINE } from "./lanes.ts";

export {
  LANE_CAPACITY,
  LANES,
  LINE,
  SEMAPHORE,
  SEMAPHORE_AFTER_LANES,
  SEMAPHORES_BESIDE_LANES,
  UNUSED_AT_END,
} from "./lanes.ts";

type U32 = ScalarLayout<number>;

/** "SHMT" in memory. Its bytes are reversed on a machine with the other byte order. */
export const MAGIC: number = MAGICS.TOPIC;
/** Changes when the meaning of the bytes changes. */
export const VERSION = 1;

/**
 * The header, which all peers check first. Written once. `lane_capacity` is the bytes of one ring, a power
 * of two, and `message_size` the bytes of every message, or 0 if lengths differ.
 */
export const HEADER: HeaderLayout<"lanes" | "lane_capacity" | "message_size"> = headerLayout(
  "lanes",
  "lane_capacity",
  "message_size",
);

/** The line of the waiting subscribers. */
export const WAITING: StructLayout<{ waiting: U32 }> = struct({
  /** Bit 0: a subscriber sleeps or is about to. The other bits count the wakes. */
  waiting: u32,
}, { align: LINE });

/** What there is up to a tail. */
export const LANE_STATE: StructLayout<{
  tail: U32;
  last: U32;
  count_low: U32;
  count_high: U32;
  tail_high: U32;
}> = struct({
  /** The tail that this state belongs to. */
  tail: u32,
  /** The position of the newest record. */
  last: u32,
  /** The number of messages so far. */
  count_low: u32,
  count_high: u32,
  /** How often the tail has passed 2^32. */
  tail_high: u32,
});

/** A lane without its ring. */
export const LANE: StructLayout<{
  intent: U32;
  tail: U32;
  opened: U32;
  closed: U32;
  states: ArrayLayout<typeof LANE_STATE>;
}> = struct({
  /** The position up to which the ring is being written, or will be. It never goes back. */
  intent: u32,
  /** The position up to which the ring is published. */
  tail: u32,
  /** The number of owners that the lane has had. */
  opened: u32,
  /** How many of them closed it; the others died, or one still owns it. */
  closed: u32,
  states: array(LANE_STATE, 2),
}, { align: LINE });

/** The bytes before the rings, for a topic of one lane. */
export const CONTROL: StructLayout<{
  header: typeof HEADER;
  waiting: typeof WAITING;
  lane: typeof LANE;
}> = struct({ header: HEADER, waiting: WAITING, lane: LANE });

/** A record: this, the payload, and unused bytes up to a multiple of {@linkcode RECORD_ALIGN}. */
export const RECORD: StructLayout<{ length: U32; tag: U32; number: U32; back: U32 }> = struct({
  length: u32,
  tag: u32,
  /** The low half of the message's number in its lane. The first one ever is 1. */
  number: u32,
  /** The position of this record minus that of the record before it; 0 for the first one ever. */
  back: u32,
});

/** Records and positions are multiples of this. */
export const RECORD_ALIGN = 8;

/** The length of a padding record, which fills the ring up to its end and has no other word. */
export const PADDING = 0xffffffff;

/** All structs, by the names that the text of the layout hash gives them. */
export const STRUCTS: NamedStructs = { HEADER, WAITING, LANE_STATE, LANE, CONTROL, RECORD };
