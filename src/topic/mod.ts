/**
 * The topic: messages from many publishers to any number of subscribers, through a ring in shared memory for
 * each publisher. Publishers never wait: a subscriber that is too slow misses messages, and gets their number.
 *
 * @example
 * ```ts
 * import { Topic } from "@sysv/shm/topic";
 * import assert from "node:assert/strict";
 *
 * using topic = Topic.openOrCreate({ key: 0x5eed6000 });
 * using subscriber = topic.subscriber();
 * using publisher = topic.publisher(); // usually in another process
 * publisher.publish(new TextEncoder().encode("hello"));
 * assert.equal(subscriber.receiveSync().text, "hello");
 * ```
 *
 * @module
 */

export type { VisitResult } from "../sync/visit.ts";
export type { TopicVisit } from "./lane_subscriber.ts";
export type { Publisher } from "./publisher.ts";
export type { Subscriber } from "./subscriber.ts";
export { Topic } from "./topic.ts";
export type {
  PublishOptions,
  StructTopicOptions,
  SubscriberOptions,
  TopicMessage,
  TopicOpenOptions,
  TopicOptions,
} from "./topic_options.ts";
export { listTopics, statTopic, type TopicLaneStat, type TopicStat } from "./topic_stat.ts";
