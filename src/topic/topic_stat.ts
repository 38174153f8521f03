/**
 * The state of a topic, read from outside: its publishers, and how much they have published. Reading changes
 * nothing and does not join the topic.
 */

import { checkFlag, optionsReader } from "../layout/arguments.ts";
import { listHeaded, statHeaded } from "../sync/headed_stat.ts";
import type { SegmentStat } from "../sysv/segment_stat.ts";
import { memoryOf, type Segment } from "../sysv/segment.ts";
import type { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { LANE_WORD, laneMemory, readState } from "./lane_words.ts";
import { SEMAPHORE, SEMAPHORE_AFTER_LANES } from "./lanes.ts";
import { TOPIC } from "./protocol.ts";
import type { Shape } from "./shape.ts";

/**
 * One lane of a topic, at approximately one instant.
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import { statTopic, type TopicLaneStat } from "@sysv/shm/topic";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed600e, lanes: 1, laneCapacity: 4096 });
 * using publisher = topic.publisher();
 * publisher.publish(Uint8Array.of(1));
 * const lane: TopicLaneStat = statTopic(topic.id).lanes[0]!;
 * assert.deepEqual([lane.messages, lane.pid, lane.alive], [1, Deno.pid, true]);
 * ```
 */
export interface TopicLaneStat {
  /** The number of the lane, from 0. */
  readonly lane: number;
  /** Messages ever published through the lane. */
  readonly messages: number;
  /** How many publishers have opened it. */
  readonly opened: number;
  /** How many of them closed it; the others died, or one still owns it. */
  readonly closed: number;
  /** The process that owns it or owned it last; `undefined` if no process ever did. */
  readonly pid: number | undefined;
  /** Whether that process owns it now. */
  readonly alive: boolean;
}

/** A topic and its segment, at approximately one instant. Subscribers leave no trace in it. */
export interface TopicStat {
  /** The kernel's information about the segment. */
  readonly segment: SegmentStat;
  /** The id of the topic's semaphore set. */
  readonly setId: number;
  /** Bytes of the ring of one lane. */
  readonly laneCapacity: number;
  /** Bytes of every message, or 0 if lengths differ. */
  readonly messageSize: number;
  /** How many times the topic is open now, in all processes; not counted if for reading only. */
  readonly users: number;
  /** Whether the topic stays when the last process leaves. */
  readonly persistent: boolean;
  /** The hash of the struct of its messages; 0 if its creator stated none. */
  readonly typeHash: number;
  /** The lanes, in order. */
  readonly lanes: readonly TopicLaneStat[];
}

function read(
  segment: Segment,
  set: SemaphoreSet,
  shape: Shape,
): Omit<TopicStat, "segment" | "setId" | "typeHash"> {
  const { buffer } = memoryOf(segment, "read the topic");
  const values = set.values();
  return {
    laneCapacity: shape.laneCapacity,
    messageSize: shape.messageSize,
    users: values[shape.lanes + SEMAPHORE_AFTER_LANES.USERS]!,
    persistent: values[shape.lanes + SEMAPHORE_AFTER_LANES.DISPOSABLE] !== 1,
    lanes: Array.from({ length: shape.lanes }, (_, lane) => {
      const { words } = laneMemory(buffer, shape, lane);
      const semaphore = SEMAPHORE.LANE + lane;
      const opened = words[LANE_WORD.OPENED]! >>> 0;
      // The creator of the topic waited for the zero of all semaphores, which set the last pid
      const pid = opened === 0 ? 0 : set.lastPid(semaphore);
      return {
        lane,
        messages: readState(words)?.count ?? 0,
        opened,
        closed: words[LANE_WORD.CLOSED]! >>> 0,
        pid: pid === 0 ? undefined : pid,
        alive: values[semaphore] !== 0,
      };
    }),
  };
}

const readOptions = optionsReader({ trust: checkFlag });

/**
 * Reads the state of the topic in the segment with this id, without joining it.
 *
 * @throws {ShmError} `EFORMAT` it is not a topic, `EINVAL` the segment does not exist, `EACCES` no read
 * permission, `EUNTRUSTED` another user created or owns it
 * @throws {RangeError} an id out of range
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm";
 * import { statTopic } from "@sysv/shm/topic";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed600f, lanes: 2, laneCapacity: 4096 });
 * assert.equal(statTopic(topic.id).lanes.length, 2);
 * ```
 */
export function statTopic(id: number, options?: { readonly trust?: boolean }): TopicStat {
  const { trust = false } = readOptions(options);
  return statHeaded(TOPIC, id, trust, read);
}

/**
 * Returns all topics of the system that this user may read and trusts.
 *
 * @example
 * ```ts
 * import { listTopics } from "@sysv/shm/topic";
 *
 * for (const { segment, lanes } of listTopics()) {
 *   console.log(segment.key, lanes.reduce((sum, { messages }) => sum + messages, 0));
 * }
 * ```
 */
export function listTopics(options?: { readonly trust?: boolean }): TopicStat[] {
  const { trust = false } = readOptions(options);
  return listHeaded(TOPIC, trust, read);
}
