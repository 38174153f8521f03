/** Small topics for the tests of this folder, and what they are filled with. */

import { Topic } from "../../mod.ts";
import type { Subscriber, TopicOptions } from "../../src/topic/mod.ts";
import { freshKey } from "../support/peer.ts";

/** A safety net only: no test passes or fails by how fast something is. */
export const SOON = 30_000;

/** A topic at a key of its own. Defaults to one lane of 256 bytes. */
export function scratchTopic(options: Partial<TopicOptions> = {}): Topic {
  return Topic.openOrCreate({ key: freshKey(), lanes: 1, laneCapacity: 256, ...options });
}

/** One byte. */
export function byte(value: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(value);
}

/** The first byte of every message that is there. */
export function drained(subscriber: Subscriber): number[] {
  const values: number[] = [];
  subscriber.drain((bytes) => values.push(bytes[0]!));
  return values;
}
