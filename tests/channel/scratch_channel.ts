/** Small channels for the tests of this folder, and what they are filled with. */

import { Channel, type Consumer, type Producer, Segment } from "../../mod.ts";
import type { ChannelOptions } from "../../src/channel/mod.ts";
import { COUNTER_WORD, LANE_WORD } from "../../src/channel/lane_words.ts";
import { LANE } from "../../src/channel/descriptor.ts";
import { freshKey } from "../support/peer.ts";
import { GEOMETRY } from "../../src/channel/lanes.ts";

/** A safety net only: no test passes or fails by how fast something is. */
export const SOON = 30_000;

/** A channel at a key of its own. Defaults to one lane of 256 bytes. */
export function scratchChannel(options: Partial<ChannelOptions> = {}): Channel {
  return Channel.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 256, ...options });
}

/** The words of one lane in memory, to look at or to spoil while `action` runs. */
export function withLaneWords<Result>(
  channel: Pick<Channel, "id">,
  lane: number,
  action: (words: Int32Array<ArrayBuffer>) => Result,
): Result {
  using segment = Segment.attach(channel.id);
  return action(new Int32Array(segment.buffer, GEOMETRY.laneOffset(lane), LANE.size / 4));
}

/** Lets all lanes begin at `position`, as if `messages` had passed. For a channel without peers. */
export function beginAt(
  channel: Pick<Channel, "id" | "lanes">,
  position: number,
  messages = 0,
): void {
  for (let lane = 0; lane < channel.lanes; lane++) {
    withLaneWords(channel, lane, (words) => {
      const { HEAD, TAIL, HEAD_COUNTERS, TAIL_COUNTERS } = LANE_WORD;
      for (const [at, tallies] of [[HEAD, HEAD_COUNTERS], [TAIL, TAIL_COUNTERS]] as const) {
        words[at] = position;
        words[tallies + COUNTER_WORD.POSITION] = position;
        words[tallies + COUNTER_WORD.LOW] = messages;
        words[tallies + COUNTER_WORD.HIGH] = messages / 2 ** 32;
      }
    });
  }
}

/** One byte. */
export function byte(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value);
}

/** Sends single bytes, from `first` on, until the lane is full. Gives how many. */
export function fill(producer: Producer, first = 0): number {
  let sent = 0;
  while (producer.trySend(byte(first + sent))) sent++;
  return sent;
}

/** The first byte of every message that is there. */
export function drained(consumer: Consumer, max?: number): number[] {
  const values: number[] = [];
  consumer.drain((bytes) => values.push(bytes[0]!), max === undefined ? {} : { max });
  return values;
}
