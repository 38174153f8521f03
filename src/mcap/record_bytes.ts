/** The bytes of MCAP records: what the format calls them, and how they are written. Internal. */

/** The beginning and the end of a file. */
export const MAGIC: Uint8Array = Uint8Array.of(0x89, 0x4d, 0x43, 0x41, 0x50, 0x30, 0x0d, 0x0a);

/** The kinds of records. Source: the MCAP specification, https://mcap.dev/spec */
export const OPCODE = {
  HEADER: 0x01,
  FOOTER: 0x02,
  SCHEMA: 0x03,
  CHANNEL: 0x04,
  MESSAGE: 0x05,
  CHUNK: 0x06,
  MESSAGE_INDEX: 0x07,
  CHUNK_INDEX: 0x08,
  STATISTICS: 0x0b,
  METADATA: 0x0c,
  METADATA_INDEX: 0x0d,
  SUMMARY_OFFSET: 0x0e,
  DATA_END: 0x0f,
} as const;

/**
 * The longest content of a record that is read, in bytes: a hostile file takes no more memory than that. A
 * chunk has about 1 MiB and one message more, of {@linkcode LONGEST_DATA} at 3 bytes each.
 */
export const LONGEST_CONTENT = 1 << 28;

/** The longest JSON of a message that is recorded, in units of a string. */
export const LONGEST_DATA = 1 << 26;

/** Bytes of a record before its content: the opcode, and the length of the content. */
export const RECORD_HEADER = 9;

/** The most bytes of UTF-8 that one unit of a string becomes. */
const UTF8_MOST = 3;

/** 2^32: what the upper half of a number of 64 bits counts. */
const HALF = 2 ** 32;

const encoder = new TextEncoder();

/** Bytes that grow at their end. */
export class RecordBytes {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(1 << 12);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** How many there are. */
  get length(): number {
    return this.#length;
  }

  /** All of them, until more are added. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Removes all. */
  clear(): void {
    this.#length = 0;
  }

  /** Makes room for `size` more, and returns where they begin. May replace the array and its view. */
  #grow(size: number): number {
    const at = this.#length;
    this.#reserve(size);
    this.#length = at + size;
    return at;
  }

  #reserve(size: number): void {
    const needed = this.#length + size;
    if (needed <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, true);
  }

  /** A whole number below 2^53, or any of 64 bits. */
  u64(value: number | bigint): void {
    const at = this.#grow(8);
    if (typeof value === "bigint") this.#view.setBigUint64(at, value, true);
    else this.#setNumber(at, value);
  }

  #setNumber(at: number, value: number): void {
    this.#view.setUint32(at, value % HALF, true);
    this.#view.setUint32(at + 4, value / HALF, true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Text as UTF-8, without its length. */
  utf8(text: string): void {
    this.#reserve(text.length * UTF8_MOST);
    this.#length += encoder.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  text(text: string): void {
    this.#sized(() => this.utf8(text));
  }

  /** A map of texts. */
  texts(values: Readonly<Record<string, string>>): void {
    this.#sized(() => {
      for (const [name, value] of Object.entries(values)) {
        this.text(name);
        this.text(value);
      }
    });
  }

  /** A map of numbers: each key of 16 bits, each value of 64. */
  numbers(values: ReadonlyMap<number, number>): void {
    this.#sized(() => {
      for (const [key, value] of values) {
        this.u16(key);
        this.u64(value);
      }
    });
  }

  /** What `write` adds, after its length of 32 bits. */
  #sized(write: () => void): void {
    const at = this.#grow(4);
    write();
    this.#view.setUint32(at, this.#length - at - 4, true);
  }

  /** A record, of which `write` adds the content. */
  record(opcode: number, write: () => void): void {
    const at = this.begin(opcode);
    write();
    this.end(at);
  }

  /** Begins a record. Returns what `end` needs to know. */
  begin(opcode: number): number {
    this.u8(opcode);
    return this.#grow(8);
  }

  /** Ends a record: what was added since `begin` is its content. */
  end(at: number): void {
    this.#setNumber(at, this.#length - at - 8);
  }
}
