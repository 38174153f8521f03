/** From a file to a channel or a topic. */

import type { ShmError } from "../../ffi/shm_error.ts";
import type { Channel } from "../channel/channel.ts";
import type { Topic } from "../topic/topic.ts";
import { McapReader, type Recorded, type RecordedMessage } from "./mcap_reader.ts";
import { type MessageBytes, messageIn } from "./message_json.ts";
import { LANE_TEXT, laneOf, MESSAGES_TEXT, RECORDING, RECORDING_END } from "./recorded_lane.ts";
import { RecordedFile } from "./recording_file.ts";
import {
  readReplayOptions,
  RecordingCount,
  type ReplayOptions,
  type ReplayResult,
} from "./recording_options.ts";
import { difference, type LaneSender, type ReplayTarget, targetOf } from "./replay_target.ts";

/** Shorter waits are not worth a timer, in milliseconds. */
const LEAST_MS = 1;
/** The longest time of one timer. A signal ends it too. */
const MOST_MS = 2 ** 30;
/** Nanoseconds in a millisecond. */
const NS = 1e6;

/**
 * Sends the messages of a recording through a channel, or publishes them to a topic, at the pace of the
 * recording or as fast as possible, until it ends or `signal` aborts. Needs the permission to read the file.
 *
 * Each lane of the recording gets a producer or publisher of its own, for as long as it takes. So the order
 * of a lane is kept, and the tags are. While a lane of the channel is full, the replay waits: nothing is
 * lost. A topic waits for no subscriber.
 *
 * A file of a recorder that was killed is replayed as far as it goes; `complete` in the result is then
 * `false`. The structs of a recording must be those of the channel or topic, if it has structs.
 *
 * @returns what was sent
 * @throws {ShmError} `EFORMAT` the file is no recording of this library, is damaged, or has another struct,
 * of which the message names the first field that differs, a message that does not fit, or a record of more
 * than 256 MiB; `ENOENT`, `EACCES`
 * or another errno value, the file cannot be read; and as {@linkcode Channel.producer},
 * {@linkcode Producer.send} and {@linkcode Publisher.publish}
 * @throws {TypeError} `target` is neither a channel nor a topic
 *
 * @example
 * ```ts ignore
 * import { Channel } from "@sysv/shm";
 * import { replay } from "@sysv/shm/mcap";
 *
 * using channel = Channel.openOrCreate({ key: 0xcafe });
 * const { messages, complete } = await replay(channel, { file: "monday.mcap" });
 * console.log(messages, complete ? "" : "the recorder was killed");
 * ```
 */
export async function replay<In, Out>(
  target: Channel<In, Out> | Topic<In, Out>,
  options: ReplayOptions,
): Promise<ReplayResult> {
  const { file: path, fast = false, signal, onProgress } = readReplayOptions(options);
  const to = targetOf(target);
  const count = new RecordingCount(onProgress);
  using file = await RecordedFile.open(path);
  const reader = new McapReader(file);
  using player = new Player(file, to, count, fast, signal);
  for await (const group of reader.groups()) {
    if (signal?.aborted || !await player.play(group)) break;
  }
  const complete = await reader.isComplete();
  if (!signal?.aborted) player.checkEnd(complete);
  return { ...count.now, complete };
}

/** Sends what a file has. */
class Player implements Disposable {
  readonly #file: RecordedFile;
  readonly #to: ReplayTarget;
  readonly #count: RecordingCount;
  readonly #fast: boolean;
  readonly #signal: AbortSignal | undefined;
  /** The lanes of the recording, by the id of their channel in the file, and their senders. */
  readonly #lanes = new Map<number, number>();
  readonly #senders = new Map<number, LaneSender>();
  #isRecording = false;
  /** How many messages the file says at its end that it has. */
  #announced: string | undefined;
  /** When the first message was sent, and its time in the recording. */
  #start: { readonly at: number; readonly time: bigint } | undefined;

  constructor(
    file: RecordedFile,
    to: ReplayTarget,
    count: RecordingCount,
    fast: boolean,
    signal: AbortSignal | undefined,
  ) {
    this.#file = file;
    this.#to = to;
    this.#count = count;
    this.#fast = fast;
    this.#signal = signal;
  }

  /** Sends the messages of a group. Returns `false` if the signal aborted before. */
  async play(group: Iterable<Recorded>): Promise<boolean> {
    let played = false;
    try {
      for (const recorded of group) {
        if (recorded.kind === "metadata") this.#metadata(recorded);
        else if (recorded.kind === "channel") this.#addLane(recorded);
        else {
          const { message } = recorded;
          if (!this.#fast && !await this.#isTime(message.time)) return false;
          if (!await this.#send(message)) return false;
          played = true;
        }
      }
    } finally {
      this.#publish();
      if (played) this.#count.tell();
    }
    return true;
  }

  #metadata({ name, texts }: Recorded & { readonly kind: "metadata" }): void {
    if (name === RECORDING) this.#isRecording = true;
    if (name === RECORDING_END) this.#announced = texts.get(MESSAGES_TEXT);
  }

  /**
   * Refuses a file that lacks messages: where a damaged record is not known as one of messages, or is taken
   * for the end, nothing else tells.
   */
  checkEnd(complete: boolean): void {
    if (!complete && this.#announced === undefined) return;
    if (!this.#isRecording) throw this.#foreign();
    const sent = String(this.#count.now.messages);
    if (this.#announced === sent) return;
    const says = this.#announced === undefined
      ? "does not say at its end how many"
      : `says at its end that it has ${this.#announced}`;
    throw this.#file.refused(`it has ${sent} messages, and ${says}`);
  }

  #foreign(): ShmError {
    return this.#file.refused(
      "it was recorded by another program",
      "only what this library recorded can be replayed",
    );
  }

  #addLane({ channel }: Recorded & { readonly kind: "channel" }): void {
    const lane = laneOf(channel);
    if (lane === undefined || !this.#isRecording) {
      throw this.#foreign();
    }
    const [here, there] = [this.#to.type, channel.metadata.get(LANE_TEXT.TYPE)];
    if (here !== undefined && there !== undefined && here !== there) {
      throw this.#file.refused(difference(here, there));
    }
    this.#lanes.set(channel.id, lane);
  }

  #publish(): void {
    for (const sender of this.#senders.values()) if (sender.isOpen) sender.publish();
  }

  /** Waits until a message is due. Returns `false` if the signal aborted before. */
  async #isTime(time: bigint): Promise<boolean> {
    this.#start ??= { at: performance.now(), time };
    const due = this.#start.at + Number(time - this.#start.time) / NS;
    for (;;) {
      const left = due - performance.now();
      if (left < LEAST_MS) return !this.#signal?.aborted;
      this.#publish();
      await pause(Math.min(left, MOST_MS), this.#signal);
      if (this.#signal?.aborted) return false;
    }
  }

  /** Sends a message. Returns `false` if the signal aborted before. */
  async #send(message: RecordedMessage): Promise<boolean> {
    const { bytes, tag, missed } = this.#contentOf(message);
    const sender = this.#senderOf(message);
    const signal = this.#signal;
    try {
      if (!sender.stage(bytes, tag)) {
        this.#publish();
        await sender.send(bytes, tag, signal);
      }
    } catch (failure) {
      // Only an aborted signal has a reason
      if (signal?.aborted === true && failure === signal.reason) return false;
      throw failure instanceof RangeError ? this.#misfit(message, failure) : failure;
    }
    this.#count.add({ messages: 1, bytes: bytes.length, missed });
    return true;
  }

  #contentOf(message: RecordedMessage): MessageBytes {
    try {
      return messageIn(message.data);
    } catch (failure) {
      if (!(failure instanceof SyntaxError || failure instanceof TypeError)) throw failure;
      throw this.#misfit(message, failure);
    }
  }

  #senderOf({ channel, sequence }: RecordedMessage): LaneSender {
    const lane = this.#lanes.get(channel);
    if (lane === undefined) {
      throw this.#file.refused(`message ${sequence} is of channel ${channel}, which is not there`);
    }
    let sender = this.#senders.get(lane);
    if (sender === undefined) this.#senders.set(lane, sender = this.#to.open());
    return sender;
  }

  #misfit({ channel, sequence }: RecordedMessage, cause: Error): ShmError {
    const lane = this.#lanes.get(channel) ?? channel;
    return this.#file.refused(`message ${sequence} of lane ${lane}: ${cause.message}`);
  }

  /** Closes the producers or publishers. */
  [Symbol.dispose](): void {
    for (const sender of this.#senders.values()) sender[Symbol.dispose]();
  }
}

/** Fulfils after `ms` milliseconds, or when `signal` aborts. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });
}
