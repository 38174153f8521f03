/**
 * The layout of the channel: its bytes, its semaphores, its numbers. Data only; `docs/wire_format.md`
 * defines their meaning, and `docs/memory_model.md` explains why it is correct. The first part of
 * `c/shm_channel_layout.h` is generated from this file (`deno task layout`).
 *
 * ```
 * offset  0          128         256                 512       256 + 256 L
 *         ┌──────────┬───────────┬─────────┬─────────┬─── ─ ───┬────────┬────────┬─── ─ ───┐
 *         │ header   │ consumer  │ lane 0:           │ lane 1  │ ring 0 │ ring 1 │         │
 *         │          │           │ producer│ consumer│  ...    │        │        │  ...    │
 *         └──────────┴───────────┴─────────┴─────────┴─── ─ ───┴────────┴────────┴─── ─ ───┘
 * ```
 *
 * Words that different processes write are 128 bytes apart. For each: its writer; its readers.
 *
 * - header: the creator, once; all peers. `magic` is stored last, `version` before it.
 * - consumer line, `asleep`: the consumer stores 1 and 0, a producer exchanges it for 0; producers.
 *   `opened`: each process that acquires the role; for display. `identity`: the consumer; no other.
 * - lane, producer line: the lane's owner; the consumer. `asleep`: the owner stores 1 and 0, the
 *   consumer exchanges it for 0; the consumer.
 * - lane, consumer line: the consumer; the lane's owner.
 * - ring, from head to tail: no writer; the consumer reads. From tail to head: the owner writes; no
 *   reader.
 *
 * Invariants: 0 <= tail - head <= capacity, modulo 2^32; positions are multiples of 8; from head to
 * tail the ring holds whole records, and no record wraps. One of the two message counters of a line has
 * the line's position, and counts the messages up to it.
 *
 * Edges: SYNC ready (magic), SYNC tail, SYNC head, SYNC asleep (twice), SYNC role.
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
} from "./lanes.ts";

type U32 = ScalarLayout<number>;

/** "SHMC" in memory. Its bytes are reversed on a machine with the other byte order. */
export const MAGIC: number = MAGICS.CHANNEL;
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

/** The line of the consumer. */
export const CONSUMER: StructLayout<{
  asleep: U32;
  opened: U32;
  identity: ArrayLayout<U32>;
}> = struct({
  /** 1 while the consumer sleeps or is about to: a producer that publishes a tail must wake it. */
  asleep: u32,
  /** How often the role was acquired. */
  opened: u32,
  /** Random, and 0 until a consumer needs it: with lane and number it names a message outside the channel. */
  identity: array(u32, 2),
}, { align: LINE });

/** The number of messages ever sent up to a position. */
export const MESSAGE_COUNTER: StructLayout<{ position: U32; count_low: U32; count_high: U32 }> =
  struct({
    position: u32,
    count_low: u32,
    count_high: u32,
  });

type MessageCounters = ArrayLayout<typeof MESSAGE_COUNTER>;

/** The words of a lane that its owner writes. */
export const LANE_PRODUCER: StructLayout<{
  tail: U32;
  asleep: U32;
  opened: U32;
  closed: U32;
  full_waits: U32;
  tallies: MessageCounters;
}> = struct({
  /** The position up to which the ring is published. */
  tail: u32,
  /** 1 while the owner sleeps for room or is about to: the consumer must wake it when it publishes a head. */
  asleep: u32,
  /** The number of owners that the lane has had. */
  opened: u32,
  /** How many of them closed it; the others died, or one still owns it. */
  closed: u32,
  /** How often an owner found too little room and waited. */
  full_waits: u32,
  tallies: array(MESSAGE_COUNTER, 2),
}, { align: LINE });

/** The words of a lane that the consumer writes. */
export const LANE_CONSUMER: StructLayout<{ head: U32; tallies: MessageCounters }> = struct({
  /** The position up to which the ring is free again. */
  head: u32,
  tallies: array(MESSAGE_COUNTER, 2),
}, { align: LINE });

/** A lane without its ring. */
export const LANE: StructLayout<{
  producer: typeof LANE_PRODUCER;
  consumer: typeof LANE_CONSUMER;
}> = struct({ producer: LANE_PRODUCER, consumer: LANE_CONSUMER });

/** The bytes before the rings, for a channel of one lane. */
export const CONTROL: StructLayout<{
  header: typeof HEADER;
  consumer: typeof CONSUMER;
  lane: typeof LANE;
}> = struct({ header: HEADER, consumer: CONSUMER, lane: LANE });

/** A record: this, the payload, and unused bytes up to a multiple of {@linkcode RECORD_ALIGN}. */
export const RECORD: StructLayout<{ length: U32; tag: U32 }> = struct({ length: u32, tag: u32 });

/** Records and positions are multiples of this. */
export const RECORD_ALIGN = 8;

/** The length of a padding record, which fills the ring up to its end. Its tag has no meaning. */
export const PADDING = 0xffffffff;

/** All structs, by the names that the text of the layout hash gives them. */
export const STRUCTS: NamedStructs = {
  HEADER,
  CONSUMER,
  TALLY: MESSAGE_COUNTER,
  LANE_PRODUCER,
  LANE_CONSUMER,
  LANE,
  CONTROL,
  RECORD,
};
