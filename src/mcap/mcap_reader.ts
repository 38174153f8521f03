/**
 * Reads an MCAP file from its beginning to its last complete record, as this library writes it: chunks that
 * are not compressed. Internal: used by `replay.ts`.
 *
 * A file is untrusted data: each length is checked against what is there before it is used.
 */

import { crc32 } from "node:zlib";
import { LONGEST_CONTENT, MAGIC, OPCODE, RECORD_HEADER } from "./record_bytes.ts";
import type { RecordedFile } from "./recording_file.ts";

/** A channel of the file. */
export interface RecordedChannel {
  readonly id: number;
  readonly encoding: string;
  readonly metadata: ReadonlyMap<string, string>;
}

/** A message of the file. */
export interface RecordedMessage {
  readonly channel: number;
  readonly sequence: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly data: Uint8Array;
}

/** What the file has, in its order. */
export type Recorded =
  | {
    readonly kind: "metadata";
    readonly name: string;
    readonly texts: ReadonlyMap<string, string>;
  }
  | { readonly kind: "channel"; readonly channel: RecordedChannel }
  | { readonly kind: "message"; readonly message: RecordedMessage };

/** The records that a replay needs. Others, such as an index, stay unread: they may be of any size. */
const READ: ReadonlySet<number> = new Set([
  OPCODE.METADATA,
  OPCODE.CHANNEL,
  OPCODE.MESSAGE,
  OPCODE.CHUNK,
]);

const decoder = new TextDecoder();

/** Reads values one after the other; throws `RangeError` beyond the end. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #data: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#data = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #skip(size: number): number {
    const at = this.#at;
    if (size > this.left) throw new RangeError("a record is shorter than its contents");
    this.#at = at + size;
    return at;
  }

  u8(): number {
    return this.#data.getUint8(this.#skip(1));
  }

  u16(): number {
    return this.#data.getUint16(this.#skip(2), true);
  }

  u32(): number {
    return this.#data.getUint32(this.#skip(4), true);
  }

  u64(): bigint {
    return this.#data.getBigUint64(this.#skip(8), true);
  }

  raw(size: number): Uint8Array {
    const at = this.#skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  text(): string {
    return decoder.decode(this.raw(this.u32()));
  }

  texts(): ReadonlyMap<string, string> {
    const all = new Cursor(this.raw(this.u32()));
    const found = new Map<string, string>();
    while (all.left > 0) found.set(all.text(), all.text());
    return found;
  }
}

/** Reads one recording. */
export class McapReader {
  readonly #file: RecordedFile;

  constructor(file: RecordedFile) {
    this.#file = file;
  }

  /** Whether the file has an end: its recorder was not killed, and is not at work. */
  async isComplete(): Promise<boolean> {
    const at = this.#file.size - MAGIC.length;
    // The same bytes are at the beginning
    return at >= MAGIC.length && isMagic(await this.#file.read(at, MAGIC.length));
  }

  /**
   * What the file has, a group for each record that is not in a chunk, and for each chunk. The group of a
   * record that stays unread is empty.
   *
   * @throws {ShmError} `EFORMAT` it is no MCAP file, a record has impossible contents or is too long, a chunk
   * is compressed, or it has an end, but its records do not lead there
   */
  async *groups(): AsyncGenerator<Iterable<Recorded>, void, void> {
    const file = this.#file;
    const start = await file.read(0, MAGIC.length);
    if (!isMagic(start)) throw file.refused("it is no MCAP file");
    for (let at = MAGIC.length;;) {
      const header = new Cursor(await file.read(at, RECORD_HEADER));
      if (header.left < RECORD_HEADER) return await this.#cutOff(at);
      const opcode = header.u8();
      const length = header.u64();
      const next = BigInt(at + RECORD_HEADER) + length;
      if (next > BigInt(file.size)) return await this.#cutOff(at);
      if (opcode === OPCODE.DATA_END) return;
      try {
        yield READ.has(opcode) ? this.#group(opcode, await this.#content(at, length)) : [];
      } catch (failure) {
        if (!(failure instanceof RangeError)) throw failure;
        throw file.refused(`the record at byte ${at} is damaged: ${failure.message}`);
      }
      at = Number(next);
    }
  }

  /** The record at this byte is not all there: the recorder was killed, or a length before it is damaged. */
  async #cutOff(at: number): Promise<void> {
    if (await this.isComplete()) {
      throw this.#file.refused(`the record at byte ${at} is damaged: it is longer than the file`);
    }
  }

  /** The content of the record at this byte. */
  #content(at: number, length: bigint): Promise<Uint8Array> {
    if (length > LONGEST_CONTENT) {
      const most = `${LONGEST_CONTENT >> 20} MiB`;
      throw this.#file.refused(
        `the record at byte ${at} is longer than ${most}, the most that is read`,
      );
    }
    return this.#file.read(at + RECORD_HEADER, Number(length));
  }

  #group(opcode: number, content: Uint8Array): Iterable<Recorded> {
    if (opcode !== OPCODE.CHUNK) return recordIn(opcode, content);
    const cursor = new Cursor(content);
    // Times and size
    cursor.raw(24);
    const crc = cursor.u32();
    const compression = cursor.text();
    if (compression !== "") {
      throw this.#file.refused(
        `it is compressed (${compression})`,
        "only what this library recorded can be replayed",
      );
    }
    const records = cursor.raw(Number(cursor.u64()));
    if (crc !== 0 && crc !== crc32(records)) throw new RangeError("its checksum differs");
    // A damaged chunk is refused as a whole, before any of it is used
    for (const _ of recordsIn(records));
    return recordsIn(records);
  }
}

function isMagic(bytes: Uint8Array): boolean {
  return bytes.length === MAGIC.length && MAGIC.every((byte, i) => bytes[i] === byte);
}

/** What a chunk has, one after the other: a list of all could take several times its memory. */
function* recordsIn(bytes: Uint8Array): Generator<Recorded, void, void> {
  const cursor = new Cursor(bytes);
  while (cursor.left > 0) {
    const opcode = cursor.u8();
    yield* recordIn(opcode, cursor.raw(Number(cursor.u64())));
  }
}

function recordIn(opcode: number, content: Uint8Array): readonly Recorded[] {
  const cursor = new Cursor(content);
  switch (opcode) {
    case OPCODE.METADATA:
      return [{ kind: "metadata", name: cursor.text(), texts: cursor.texts() }];
    case OPCODE.CHANNEL: {
      const id = cursor.u16();
      // Schema and topic are for viewers
      cursor.u16();
      cursor.text();
      return [{
        kind: "channel",
        channel: { id, encoding: cursor.text(), metadata: cursor.texts() },
      }];
    }
    case OPCODE.MESSAGE: {
      const channel = cursor.u16();
      const sequence = cursor.u32();
      const time = cursor.u64();
      cursor.u64();
      return [{
        kind: "message",
        message: { channel, sequence, time, data: cursor.raw(cursor.left) },
      }];
    }
    default:
      return [];
  }
}
