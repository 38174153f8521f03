/** From a channel or a topic to a file. */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import type { Consumer } from "../channel/consumer.ts";
import { declare } from "../layout/declare.ts";
import { messageText } from "../layout/message_text.ts";
import type { Subscriber } from "../topic/subscriber.ts";
import { McapWriter } from "./mcap_writer.ts";
import { ENCODING, messageJson, messageSchema } from "./message_json.ts";
import { LONGEST_DATA } from "./record_bytes.ts";
import { LANE_TEXT, MESSAGES_TEXT, RECORDING, RECORDING_END } from "./recorded_lane.ts";
import { type RecordSource, sourceOf, type Taken } from "./record_source.ts";
import { NewFile } from "./recording_file.ts";
import {
  readRecordOptions,
  RecordingCount,
  type RecordingProgress,
  type RecordOptions,
} from "./recording_options.ts";

/** The longest time until the file has a message that was taken, in milliseconds. */
const HOLD_MS = 1_000;
/** From this many bytes on, a chunk is written. */
const CHUNK_BYTES = 1 << 20;
/** Messages that are taken before the chunk is looked at. */
const STEP = 1_024;

/** Thrown at a message that has to wait for the next chunk. */
const FULL = Symbol("full");

/**
 * Records the messages of a channel or a topic in a file, until `signal` aborts or `count` is reached. The
 * recorder needs the consumer or subscriber for itself meanwhile. Needs the permission to write the file, which gets the
 * mode 0600.
 *
 * The file is an MCAP file, which viewers such as Foxglove open, with an index. Messages are JSON: `tag`, the
 * payload as `text`, or as `bytes` in base64, and for structs their `value`, which viewers plot. Each lane is
 * a channel of the file, `/lane0` and so on. `docs/past_one_machine.md` describes the file.
 *
 * A message of a channel is acknowledged after it was written to the file, at most a second after it came. So
 * a recorder that is killed loses none: what the file does not have stays in the channel. If the machine
 * crashes, what the kernel had not yet written to the disk is lost. A topic keeps nothing for a recorder: what
 * is overwritten before it is taken counts as `missed`, and what was not written yet may be lost. A file
 * without an end, of a recorder that was killed, has all that was written: `replay` and other readers take it.
 *
 * There is no file if `signal` had aborted before, or if it cannot be written before it has a message.
 *
 * @returns what was recorded, when `signal` has aborted or `count` is reached, and the disk has the file
 * @throws {ShmError} `EEXIST` the file exists; `EFBIG` the JSON of a message has more than 2^26 characters: it
 * stays in the channel, and the file has those before it; `EACCES`, `ENOSPC` or another errno value, it cannot be written;
 * and as {@linkcode Consumer.ready} and {@linkcode Subscriber.ready}
 * @throws {TypeError} `source` is neither a consumer nor a subscriber
 * @throws {RangeError} an option out of range
 *
 * @example
 * ```ts ignore
 * import { Channel } from "@sysv/shm";
 * import { record, replay } from "@sysv/shm/mcap";
 * import assert from "node:assert/strict";
 *
 * using channel = Channel.openOrCreate({ key: 0x5eed401e, laneCapacity: 4096 });
 * {
 *   using producer = channel.producer();
 *   producer.trySend(new TextEncoder().encode("hello"), { tag: 7 });
 * }
 * {
 *   using consumer = channel.consumer();
 *   await record(consumer, { file: "hello.mcap", count: 1 });
 * }
 * await replay(channel, { file: "hello.mcap", fast: true });
 * using consumer = channel.consumer();
 * assert.equal(consumer.tryReceive()?.text, "hello");
 * consumer.ack();
 * ```
 */
export async function record<Out>(
  source: Consumer<Out> | Subscriber<Out>,
  options: RecordOptions,
): Promise<RecordingProgress> {
  const { file: path, signal, onProgress, count = Infinity } = readRecordOptions(options);
  const from = sourceOf(source);
  const counted = new RecordingCount(onProgress);
  if (signal?.aborted) return counted.now;
  using file = await NewFile.create(path);
  const recorder = new Recorder(from, file, counted);
  try {
    await recorder.start();
    try {
      await recorder.run(count, signal);
    } finally {
      await recorder.finish();
    }
  } catch (failure) {
    if (!recorder.writes && counted.now.messages === 0) await file.discard();
    throw failure;
  }
  return counted.now;
}

/** One recording. */
class Recorder {
  readonly #from: RecordSource;
  readonly #file: NewFile;
  readonly #writer: McapWriter;
  readonly #count: RecordingCount;
  /** The number of the last message of each lane. */
  readonly #numbers: number[];
  readonly #lanes = new Set<number>();
  /** When the first message came that the file does not have; `undefined` if there is none. */
  #since: number | undefined;
  /** What was taken that the file does not have. */
  #held = { messages: 0, bytes: 0, missed: 0 };
  #now = 0n;
  #writes = false;

  constructor(from: RecordSource, file: NewFile, count: RecordingCount) {
    this.#from = from;
    this.#file = file;
    this.#writer = new McapWriter(file);
    this.#count = count;
    this.#numbers = [...from.before];
  }

  async start(): Promise<void> {
    await this.#writer.start();
    await this.#writer.addMetadata(RECORDING, { kind: this.#from.kind });
    this.#writes = true;
  }

  /** Whether the file has its beginning, and takes what is written. */
  get writes(): boolean {
    return this.#writes;
  }

  /** Records until `most` messages are taken, or `signal` aborts. */
  async run(most: number, signal: AbortSignal | undefined): Promise<void> {
    for (let left = most; left > 0 && await this.#isReady(signal);) {
      left -= this.#take(Math.min(left, STEP));
      if (this.#isDue()) await this.#flush();
    }
  }

  /** Waits for a message, at most until the chunk is due. Returns `false` when the signal aborts. */
  async #isReady(signal: AbortSignal | undefined): Promise<boolean> {
    const timeout = this.#since === undefined
      ? {}
      : { timeout: Math.max(0, this.#since + HOLD_MS - performance.now()) };
    try {
      await this.#from.ready(signal === undefined ? timeout : { ...timeout, signal });
      return true;
    } catch (failure) {
      // Only an aborted signal has a reason
      if (signal?.aborted === true && failure === signal.reason) return false;
      if (this.#since === undefined || !ShmError.is(failure, "ETIMEDOUT")) throw failure;
      return true;
    }
  }

  /** Takes messages that are there, and returns how many. */
  #take(most: number): number {
    const before = this.#held.messages;
    this.#now = nanoseconds();
    try {
      this.#from.take((message) => this.#add(message), most);
    } catch (failure) {
      if (failure !== FULL) throw failure;
    }
    return this.#held.messages - before;
  }

  #add({ bytes, tag, lane, missed, layout }: Taken): void {
    const writer = this.#writer;
    if (writer.pending >= CHUNK_BYTES) throw FULL;
    if (!this.#lanes.has(lane)) {
      const struct = layout === undefined
        ? {}
        : { [LANE_TEXT.STRUCT]: declare(layout, "message"), [LANE_TEXT.TYPE]: messageText(layout) };
      const metadata = { [LANE_TEXT.LANE]: String(lane), ...struct };
      const channel = { id: lane, topic: `/lane${lane}`, encoding: ENCODING, metadata };
      writer.addChannel(channel, messageSchema(layout));
      this.#lanes.add(lane);
    }
    const number = (this.#numbers[lane] ?? 0) + missed + 1;
    const data = jsonOf({ tag, missed, bytes }, layout);
    if (data === undefined) throw tooLong(number, lane, bytes.length);
    this.#numbers[lane] = number;
    writer.addMessage({ channel: lane, sequence: number >>> 0, time: this.#now, data });
    this.#since ??= performance.now();
    this.#held.messages++;
    this.#held.bytes += bytes.length;
    this.#held.missed += missed;
  }

  #isDue(): boolean {
    return this.#since !== undefined &&
      (this.#writer.pending >= CHUNK_BYTES || this.#from.isFilling ||
        performance.now() >= this.#since + HOLD_MS);
  }

  /** Writes what was taken to the file, and acknowledges it. */
  async #flush(): Promise<void> {
    if (this.#since === undefined) return;
    try {
      await this.#writer.flush();
    } catch (failure) {
      this.#writes = false;
      this.#from.putBack();
      throw failure;
    }
    this.#from.ack();
    this.#count.add(this.#held);
    this.#held = { messages: 0, bytes: 0, missed: 0 };
    this.#since = undefined;
    this.#count.tell();
  }

  /** Gives the file its end, unless it could not be written. */
  async finish(): Promise<void> {
    if (!this.#writes) return;
    await this.#flush();
    const { messages, missed } = this.#count.now;
    await this.#writer.addMetadata(RECORDING_END, {
      [MESSAGES_TEXT]: String(messages),
      missed: String(missed),
    });
    await this.#writer.finish();
    await this.#file.sync();
  }
}

/** The JSON of a message, unless it is longer than a file may have. */
function jsonOf(...message: Parameters<typeof messageJson>): string | undefined {
  try {
    const json = messageJson(...message);
    return json.length > LONGEST_DATA ? undefined : json;
  } catch (failure) {
    // Longer than the engine's strings
    if (failure instanceof RangeError) return undefined;
    throw failure;
  }
}

function tooLong(number: number, lane: number, length: number): ShmError {
  return new ShmError(`record message ${number} of lane ${lane}`, undefined, ERRNO.EFBIG, {
    facts: `as JSON, its ${length} bytes take more than ${LONGEST_DATA} characters`,
    remedy: "receive it without a recording",
  });
}

/** The time now, in nanoseconds since 1970. It never goes back. */
function nanoseconds(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6));
}
