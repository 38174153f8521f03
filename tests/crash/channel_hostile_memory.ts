/**
 * What an intruder writes into a channel's memory: random bytes over any part of it, and values made to
 * be wrong in every field of the descriptor. Knows whose lane each write spoils.
 */

import { Segment } from "../../mod.ts";
import { CONTROL, HEADER, LANE, MAGIC, PADDING, RECORD } from "../../src/channel/descriptor.ts";
import type { Field } from "../../src/layout/layout.ts";
import { LANE_WORD } from "../../src/channel/lane_words.ts";
import { swapped } from "../../src/sync/header_layout.ts";
import { maxMessage, ringOffset, type Shape } from "../../src/channel/shape.ts";
import type { Random } from "./random.ts";
import { GEOMETRY } from "../../src/channel/lanes.ts";

const WORD = Int32Array.BYTES_PER_ELEMENT;

/** One write: what it was, and what it may have done. */
export interface Corruption {
  /** Random bytes, or the field. */
  readonly kind: string;
  readonly offset: number;
  readonly length: number;
}

/** Somebody who has the segment attached, and knows its layout. */
export class Intruder implements Disposable {
  readonly #segment: Segment;
  readonly #shape: Shape;
  readonly #random: Random;
  readonly #header: Uint8Array<ArrayBuffer>;
  readonly #words: Int32Array<ArrayBuffer>;

  constructor(id: number, shape: Shape, random: Random) {
    this.#segment = Segment.attach(id);
    this.#shape = shape;
    this.#random = random;
    this.#header = this.#segment.read(0, HEADER.size);
    this.#words = new Int32Array(
      this.#segment.buffer,
      0,
      Math.floor(this.#segment.size / WORD),
    );
  }

  [Symbol.dispose](): void {
    this.#segment.detach();
  }

  /** Makes the header whole again. */
  repairHeader(): void {
    this.#segment.write(this.#header, 0);
  }

  /**
   * Whether the header is one that may be taken for good: of all fields only the size of messages can
   * be another one, that is possible too.
   */
  get headerIsGood(): boolean {
    const { message_size, segment_size } = HEADER.fields;
    const now = this.#segment.read(0, segment_size.offset + segment_size.size);
    const size = new DataView(now.buffer).getUint32(message_size.offset, true);
    return size <= maxMessage(this.#shape.laneCapacity) &&
      now.every((byte, i) =>
        byte === this.#header[i] ||
        (i >= message_size.offset && i < message_size.offset + message_size.size)
      );
  }

  /** The tail in memory of a lane. */
  tail(lane: number): number {
    return this.#words[GEOMETRY.laneOffset(lane) / WORD + LANE_WORD.TAIL]!;
  }

  /** Writes back what was there before a corruption. */
  undo({ offset }: Corruption, before: Uint8Array): void {
    this.#segment.write(before, offset);
  }

  /** Writes once; `before` gets what was there. */
  corrupt(headerToo: boolean): Corruption & { readonly before: Uint8Array } {
    const random = this.#random;
    const lane = random.below(this.#shape.lanes);
    switch (random.below(headerToo ? 8 : 7)) {
      case 0:
        return this.#bytes("random bytes", headerToo ? 0 : HEADER.size);
      case 1:
        return this.#bytes("random bytes of a lane's words", GEOMETRY.laneOffset(lane), LANE.size);
      case 2:
        return this.#bytes(
          "random bytes of a ring",
          ringOffset(this.#shape, lane),
          this.#shape.laneCapacity,
        );
      case 3:
      case 4:
        return this.#position(lane);
      case 5:
        return this.#record(lane);
      case 6:
        return this.#field("", CONTROL.fields.consumer.layout.fields, HEADER.size, lane);
      default:
        return this.#field("header.", HEADER.fields, 0, lane);
    }
  }

  #write(kind: string, offset: number, bytes: Uint8Array): Corruption & { before: Uint8Array } {
    const before = this.#segment.read(offset, bytes.length);
    this.#segment.write(bytes, offset);
    return { kind, offset, length: bytes.length, before };
  }

  #word(kind: string, index: number, value: number): Corruption & { before: Uint8Array } {
    return this.#write(kind, index * WORD, new Uint8Array(Int32Array.of(value).buffer));
  }

  /** Up to 64 bytes anywhere, or all of a part at times. */
  #bytes(
    kind: string,
    from: number,
    size: number = this.#segment.size - from,
  ): Corruption & { before: Uint8Array } {
    const random = this.#random;
    const length = random.below(8) === 0 ? size : 1 + random.below(Math.min(64, size));
    const offset = from + random.below(size - length + 1);
    // One byte again and again finds other things than noise
    const same = random.below(3) === 0 ? random.of([0, 1, 8, 0x7f, 0x80, 0xff]) : undefined;
    return this.#write(kind, offset, Uint8Array.from({ length }, () => same ?? random.bits()));
  }

  #position(lane: number): Corruption & { before: Uint8Array } {
    const random = this.#random;
    const { laneCapacity: capacity } = this.#shape;
    const name = random.of(["TAIL", "HEAD"] as const);
    const index = GEOMETRY.laneOffset(lane) / WORD + LANE_WORD[name];
    const step = random.of([1, 4, 8, 16, capacity - 8, capacity, capacity + 8, 2 ** 31, 2 ** 30]);
    const base = random.of([
      this.#words[index]!,
      this.#words[GEOMETRY.laneOffset(lane) / WORD + LANE_WORD.TAIL]!,
      this.#words[GEOMETRY.laneOffset(lane) / WORD + LANE_WORD.HEAD]!,
    ]);
    const value = random.below(5) === 0
      ? random.of([0, 4, -8, -1, 0x7fffffff, 0x7ffffff8, -0x80000000])
      : (random.below(2) === 0 ? base + step : base - step) | 0;
    return this.#word(`lane.${name.toLowerCase()}`, index, value);
  }

  /** The length, or the tag, of a record that may be there: near the head, the tail or the end. */
  #record(lane: number): Corruption & { before: Uint8Array } {
    const random = this.#random;
    const { laneCapacity: capacity } = this.#shape;
    const words = GEOMETRY.laneOffset(lane) / WORD;
    const place = random.of([
      this.#words[words + LANE_WORD.HEAD]!,
      this.#words[words + LANE_WORD.TAIL]! - 8 * random.below(4),
      capacity - 8,
      8 * random.below(capacity / 8),
    ]);
    const at = (ringOffset(this.#shape, lane) + (place & (capacity - 8))) / WORD;
    if (random.below(8) === 0) {
      return this.#word("record.tag", at + RECORD.fields.tag.offset / WORD, random.bits() | 0);
    }
    const most = maxMessage(capacity);
    const length = random.of([
      PADDING,
      PADDING,
      0xfffffff8,
      0x7fffffff,
      0x7ffffff8,
      0x80000000,
      capacity,
      capacity - 8,
      capacity - 16,
      capacity + 8,
      most,
      most + 1,
      most + 8,
      65,
      random.below(capacity),
    ]);
    const kind = length === PADDING ? "record.length, padding" : "record.length";
    return this.#word(kind, at + RECORD.fields.length.offset / WORD, length | 0);
  }

  /** Any field by name: of the header, of the consumer's line, or of a lane. */
  #field(
    prefix: string,
    fields: Readonly<Record<string, Field>>,
    offset: number,
    lane: number,
  ): Corruption & { before: Uint8Array } {
    const random = this.#random;
    const ofLane = prefix === "" && random.below(3) > 0;
    const line = random.of(["producer", "consumer"] as const);
    const from = ofLane ? GEOMETRY.laneOffset(lane) + LANE.fields[line].offset : offset;
    const choices: Readonly<Record<string, Field>> = ofLane
      ? LANE.fields[line].layout.fields
      : fields;
    const name = random.of(Object.keys(choices));
    const field = choices[name]!;
    const kind = `${ofLane ? "lane" : prefix === "" ? "consumer" : "header"}.${name}`;
    // A word of it: of tallies there are several
    const index = (from + field.offset) / WORD + random.below(field.size / WORD);
    const now = this.#words[index]!;
    const value = random.of([
      0,
      1,
      -1,
      now ^ (1 << random.below(32)),
      now + 1,
      now - 1,
      -0x80000000,
      swapped(MAGIC),
      random.bits(),
    ]);
    return this.#word(kind, index, value | 0);
  }
}

/** The lanes whose words or ring a write touched. */
export function lanesOf({ offset, length }: Corruption, shape: Shape): number[] {
  const end = offset + length;
  const touches = (from: number, size: number): boolean => offset < from + size && end > from;
  return Array.from({ length: shape.lanes }, (_, lane) => lane).filter((lane) =>
    touches(GEOMETRY.laneOffset(lane), LANE.size) ||
    touches(ringOffset(shape, lane), shape.laneCapacity)
  );
}
