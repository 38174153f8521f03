/**
 * System V shared memory for Deno: segments, C structs in them, and messages between processes.
 *
 * Unrelated processes, written in TypeScript, C, C++ or any other language, use the same physical
 * memory. The library calls libc directly: it needs no build, no download, and one permission
 * (`--allow-ffi`). It runs on Linux on x86-64 and aarch64.
 *
 * | to | use |
 * | -- | -- |
 * | share a struct with C or another process | {@linkcode Segment} and {@linkcode struct}, or {@linkcode parseStruct} |
 * | share one number, and wait for its change | {@linkcode Segment} and {@linkcode AtomicInt32} |
 * | read what a C program, such as gpsd, guards with a sequence counter (seqlock) | `SeqlockReader` of `@sysv/shm/sync` |
 * | give jobs from many processes to one worker | {@linkcode Channel} |
 * | share the newest value of something, such as settings or a position | {@linkcode Latest} |
 * | send each message to any number of programs; slow ones miss some | {@linkcode Topic} |
 * | send a text and know that it was received, or talk to the classic C++ programs | {@linkcode MailboxClient} and {@linkcode MailboxServer} |
 * | lock something for one process at a time | {@linkcode Mutex} |
 * | let one process at a time do a job | {@linkcode Role} |
 * | count free places, or wait for several conditions at once | {@linkcode SemaphoreSet} |
 * | list segments and show their state | {@linkcode listSegments}, {@linkcode statSegment}, and `watch` and `top` of the command |
 * | send messages to another machine; record and replay them | `bridgeOut` and `bridgeIn` of `@sysv/shm/nats`; `record` and `replay` of `@sysv/shm/mcap` |
 *
 * Option types and everything else are in the subpaths: `@sysv/shm/layout`, `@sysv/shm/cparse`,
 * `@sysv/shm/sysv`, `@sysv/shm/sync`, `@sysv/shm/mailbox`, `@sysv/shm/channel`, `@sysv/shm/latest`,
 * `@sysv/shm/topic`, `@sysv/shm/nats` and `@sysv/shm/mcap`.
 *
 * @example Share a C struct with another process
 * ```ts
 * import { cString, i32, Segment, struct } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * const Job = struct({ done: i32, name: cString(32) });
 * using segment = Segment.openOrCreate({ key: 0x5eed0000, size: Job.size });
 * const job = segment.view(Job);
 * job.name = "build";
 * job.done = 42; // every process attached to this key sees it now
 * assert.equal(job.done, 42);
 * segment.remove();
 * ```
 *
 * @example Exchange messages (the classic C++ programs can be peers, too)
 * ```ts
 * import { MailboxClient, MailboxServer } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using server = MailboxServer.open({ key: 0x5eed000a });
 * using client = MailboxClient.open({ key: 0x5eed000a }); // usually in another process
 * const sent = client.send("hello");
 * const message = await server.receive();
 * server.ack();
 * await sent;
 * assert.equal(message.text, "hello");
 * ```
 *
 * @module
 */

export { aligned } from "./src/layout/aligned.ts";
export { array } from "./src/layout/array.ts";
export { cString } from "./src/layout/c_string.ts";
export { bool, char, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "./src/layout/scalar.ts";
export { struct } from "./src/layout/struct.ts";
export { union } from "./src/layout/union.ts";
export type { InputOf, StructLayout, ValueOf, ViewOf } from "./src/layout/layout.ts";

export { parseStruct } from "./src/cparse/parse_struct.ts";

export { ShmError } from "./ffi/shm_error.ts";
export { ftok, IPC_PRIVATE, parseKey } from "./src/sysv/key.ts";
export { Segment } from "./src/sysv/segment.ts";
export { segmentLimits, segmentUsage } from "./src/sysv/segment_limits.ts";
export {
  listSegments,
  removeSegment,
  type SegmentStat,
  statSegment,
} from "./src/sysv/segment_stat.ts";
export { SemaphoreSet } from "./src/sysv/semaphore_set.ts";
export {
  listSemaphoreSets,
  removeSemaphoreSet,
  statSemaphoreSet,
} from "./src/sysv/semaphore_stat.ts";

export { Role } from "./src/sync/role.ts";
export type { LeaveResult } from "./src/sync/membership.ts";
export { Mutex, type MutexLock } from "./src/sync/mutex.ts";
export { AtomicInt32 } from "./src/sync/atomic_int32.ts";

export { MAILBOX_KEY } from "./src/mailbox/descriptor.ts";
export { MailboxClient } from "./src/mailbox/mailbox_client.ts";
export { MailboxServer } from "./src/mailbox/mailbox_server.ts";
export type { Message } from "./src/mailbox/message.ts";
export { ShmEntry } from "./src/mailbox/shm_entry.ts";

export { Channel } from "./src/channel/channel.ts";
export type { ChannelMessage } from "./src/channel/channel_options.ts";
export { listChannels, statChannel } from "./src/channel/channel_stat.ts";
export type { Consumer } from "./src/channel/consumer.ts";
export type { Producer } from "./src/channel/producer.ts";

export { Latest } from "./src/latest/latest.ts";

export { Topic } from "./src/topic/topic.ts";
