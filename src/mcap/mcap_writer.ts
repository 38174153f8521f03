/**
 * Writes an MCAP file: chunks of messages with their indexes, and at the end a summary. What was written stays
 * readable from the beginning if the process ends before the summary. Internal: used by `record.ts`.
 */

import { crc32 } from "node:zlib";
import { MAGIC, OPCODE, RECORD_HEADER, RecordBytes } from "./record_bytes.ts";
import type { NewFile } from "./recording_file.ts";

/** The name of this library in the file. */
const LIBRARY = "@sysv/shm";
/** The id of the only schema. */
const SCHEMA_ID = 1;
/** Bytes of a footer before the CRC of the summary. */
const FOOTER_START = RECORD_HEADER + 16;
const FOOTER_CONTENT = 20n;

/** The schema of all messages of a file. */
export interface Schema {
  readonly name: string;
  readonly encoding: string;
  readonly text: string;
}

/** One channel of the file. */
export interface McapChannel {
  readonly id: number;
  readonly topic: string;
  readonly encoding: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** One message, whose data is text. */
export interface McapMessage {
  readonly channel: number;
  readonly sequence: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly data: string;
}

/** The first and the last time of messages; zeros if there are none. */
class Span {
  first = 0n;
  last = 0n;

  add(time: bigint): void {
    if (this.first === 0n || time < this.first) this.first = time;
    if (time > this.last) this.last = time;
  }
}

/** An MCAP file that grows. */
export class McapWriter {
  readonly #file: NewFile;
  readonly #out = new RecordBytes();
  readonly #chunk = new RecordBytes();
  /** The index of the present chunk for each channel. */
  readonly #indexes = new Map<number, RecordBytes>();
  #span = new Span();
  readonly #channels = new RecordBytes();
  readonly #chunkIndexes = new RecordBytes();
  readonly #metadataIndexes = new RecordBytes();
  readonly #counts = new Map<number, number>();
  readonly #all = new Span();
  #schema: Schema | undefined;
  #chunks = 0;
  #metadata = 0;

  constructor(file: NewFile) {
    this.#file = file;
  }

  /** Bytes of the messages that are not in the file yet. */
  get pending(): number {
    return this.#chunk.length;
  }

  /** Writes the beginning of the file. */
  async start(): Promise<void> {
    this.#out.raw(MAGIC);
    this.#out.record(OPCODE.HEADER, () => {
      this.#out.text("");
      this.#out.text(LIBRARY);
    });
    await this.#write();
  }

  /** Writes texts about the file. */
  async addMetadata(name: string, texts: Readonly<Record<string, string>>): Promise<void> {
    const at = this.#file.size;
    this.#out.record(OPCODE.METADATA, () => {
      this.#out.text(name);
      this.#out.texts(texts);
    });
    const { length } = this.#out;
    this.#metadataIndexes.record(OPCODE.METADATA_INDEX, () => {
      this.#metadataIndexes.u64(at);
      this.#metadataIndexes.u64(length);
      this.#metadataIndexes.text(name);
    });
    this.#metadata++;
    await this.#write();
  }

  /** Adds a channel, before its first message. The schema must be the same each time. */
  addChannel({ id, topic, encoding, metadata }: McapChannel, schema: Schema): void {
    if (this.#schema === undefined) {
      this.#schema = schema;
      writeSchema(this.#chunk, schema);
    }
    for (const bytes of [this.#chunk, this.#channels]) {
      bytes.record(OPCODE.CHANNEL, () => {
        bytes.u16(id);
        bytes.u16(SCHEMA_ID);
        bytes.text(topic);
        bytes.text(encoding);
        bytes.texts(metadata);
      });
    }
    this.#counts.set(id, 0);
    this.#indexes.set(id, new RecordBytes());
  }

  /** Adds a message to the present chunk. */
  addMessage({ channel, sequence, time, data }: McapMessage): void {
    const chunk = this.#chunk;
    const index = this.#indexes.get(channel)!;
    index.u64(time);
    index.u64(chunk.length);
    const at = chunk.begin(OPCODE.MESSAGE);
    chunk.u16(channel);
    chunk.u32(sequence);
    chunk.u64(time);
    chunk.u64(time);
    chunk.utf8(data);
    chunk.end(at);
    this.#span.add(time);
    this.#all.add(time);
    this.#counts.set(channel, this.#counts.get(channel)! + 1);
  }

  /** Writes the present chunk with its indexes, if there is one, and begins another one. */
  async flush(): Promise<void> {
    const out = this.#out;
    const { bytes } = this.#chunk;
    const { first, last } = this.#span;
    if (bytes.length === 0) return;
    const start = this.#file.size;
    out.record(OPCODE.CHUNK, () => {
      out.u64(first);
      out.u64(last);
      out.u64(bytes.length);
      out.u32(crc32(bytes));
      out.text("");
      out.u64(bytes.length);
      out.raw(bytes);
    });
    const size = out.length;
    const offsets = new Map<number, number>();
    for (const [channel, index] of this.#indexes) {
      if (index.length === 0) continue;
      offsets.set(channel, start + out.length);
      out.record(OPCODE.MESSAGE_INDEX, () => {
        out.u16(channel);
        out.u32(index.length);
        out.raw(index.bytes);
      });
      index.clear();
    }
    const summary = this.#chunkIndexes;
    summary.record(OPCODE.CHUNK_INDEX, () => {
      summary.u64(first);
      summary.u64(last);
      summary.u64(start);
      summary.u64(size);
      summary.numbers(offsets);
      summary.u64(out.length - size);
      summary.text("");
      summary.u64(bytes.length);
      summary.u64(bytes.length);
    });
    this.#chunks++;
    await this.#write();
    this.#chunk.clear();
    this.#span = new Span();
  }

  /** Writes the summary, after which no more can be added. */
  async finish(): Promise<void> {
    const out = this.#out;
    out.record(OPCODE.DATA_END, () => out.u32(0));
    await this.#write();
    const start = this.#file.size;
    const groups: { readonly opcode: number; readonly at: number; readonly length: number }[] = [];
    const group = (opcode: number, add: () => void): void => {
      const at = out.length;
      add();
      if (out.length > at) groups.push({ opcode, at: start + at, length: out.length - at });
    };
    group(OPCODE.SCHEMA, () => {
      if (this.#schema !== undefined) writeSchema(out, this.#schema);
    });
    group(OPCODE.CHANNEL, () => out.raw(this.#channels.bytes));
    group(OPCODE.STATISTICS, () => this.#statistics());
    group(OPCODE.METADATA_INDEX, () => out.raw(this.#metadataIndexes.bytes));
    group(OPCODE.CHUNK_INDEX, () => out.raw(this.#chunkIndexes.bytes));
    const offsets = start + out.length;
    for (const { opcode, at, length } of groups) {
      out.record(OPCODE.SUMMARY_OFFSET, () => {
        out.u8(opcode);
        out.u64(at);
        out.u64(length);
      });
    }
    // The CRC of the summary covers the footer up to the CRC itself
    const footer = new RecordBytes();
    footer.u8(OPCODE.FOOTER);
    footer.u64(FOOTER_CONTENT);
    footer.u64(start);
    footer.u64(offsets);
    out.raw(footer.bytes.subarray(0, FOOTER_START));
    out.u32(crc32(out.bytes));
    out.raw(MAGIC);
    await this.#write();
  }

  #statistics(): void {
    const out = this.#out;
    out.record(OPCODE.STATISTICS, () => {
      out.u64(this.#counts.values().reduce((sum, count) => sum + count, 0));
      out.u16(this.#schema === undefined ? 0 : 1);
      out.u32(this.#counts.size);
      out.u32(0);
      out.u32(this.#metadata);
      out.u32(this.#chunks);
      out.u64(this.#all.first);
      out.u64(this.#all.last);
      out.numbers(this.#counts);
    });
  }

  async #write(): Promise<void> {
    await this.#file.append(this.#out.bytes);
    this.#out.clear();
  }
}

function writeSchema(bytes: RecordBytes, { name, encoding, text }: Schema): void {
  bytes.record(OPCODE.SCHEMA, () => {
    bytes.u16(SCHEMA_ID);
    bytes.text(name);
    bytes.text(encoding);
    bytes.text(text);
  });
}
