/**
 * System V shared memory for Deno: segments, C structs in them, and messages between processes.
 *
 * Unrelated processes, written in TypeScript, C, C++ or any other language, use the same physical
 * memory. The library calls libc directly: it needs no build, no download, and one permission
 * (`--allow-ffi`). It runs on Linux on x86-64 and aarch64.
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
 * using client = MailboxClient.open({ key: 0x5eed000a }); // normally in another process
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
export type * from "./src/layout/layout.ts";
export { bool, char, f32, f64, i16, i32, i64, i8, u16, u32, u64, u8 } from "./src/layout/scalar.ts";
export { type ParsedStruct, parseStruct } from "./src/cparse/parse_struct.ts";
export { struct } from "./src/layout/struct.ts";

export type { ErrnoName } from "./ffi/errno.ts";
export { type LibcCall, type LibraryErrorCode, ShmError } from "./ffi/shm_error.ts";

export { ftok, IPC_PRIVATE, parseKey } from "./src/sysv/key.ts";
export { Segment, type Viewable } from "./src/sysv/segment.ts";
export {
  type SegmentLimits,
  segmentLimits,
  type SegmentUsage,
  segmentUsage,
} from "./src/sysv/segment_limits.ts";
export type {
  SegmentAttachOptions,
  SegmentCreateOptions,
  SegmentOpenOptions,
  SegmentOpenOrCreateOptions,
  SegmentPlacementOptions,
} from "./src/sysv/segment_options.ts";
export {
  findSegment,
  listSegments,
  removeSegment,
  type SegmentStat,
  setSegmentPermissions,
  statSegment,
} from "./src/sysv/segment_stat.ts";
export type { ObjectStat, PermissionChange } from "./src/sysv/object_stat.ts";
export {
  type SemaphoreLimits,
  semaphoreLimits,
  type SemaphoreUsage,
  semaphoreUsage,
} from "./src/sysv/semaphore_limits.ts";
export type { Operation, PreparedOperations } from "./src/sysv/semaphore_operations.ts";
export type {
  OperationOptions,
  OperationSyncOptions,
  SemaphoreSetAttachOptions,
  SemaphoreSetCreateOptions,
  SemaphoreSetOpenOptions,
  SemaphoreSetOpenOrCreateOptions,
} from "./src/sysv/semaphore_options.ts";
export { SemaphoreSet } from "./src/sysv/semaphore_set.ts";
export {
  findSemaphoreSet,
  listSemaphoreSets,
  removeSemaphoreSet,
  type SemaphoreSetStat,
  setSemaphoreSetPermissions,
  statSemaphoreSet,
} from "./src/sysv/semaphore_stat.ts";

export { Role } from "./src/sync/role.ts";
export { type LeaveResult } from "./src/sync/membership.ts";
export { Mutex, type MutexLock, type MutexOptions } from "./src/sync/mutex.ts";
export type { WaitOptions, WaitSyncOptions } from "./src/sync/wait_schedule.ts";
export { AtomicInt32 } from "./src/sync/atomic_int32.ts";

export { Channel } from "./src/channel/channel.ts";
export type {
  Acknowledgement,
  ChannelMessage,
  ChannelOpenOptions,
  ChannelOptions,
  ChannelReceiveOptions,
  ChannelReceiveSyncOptions,
  ChannelSendOptions,
  ChannelSendSyncOptions,
  ChannelTrySendOptions,
  ConsumeOptions,
  ConsumerOptions,
  ProducerOptions,
} from "./src/channel/channel_options.ts";
export {
  type ChannelStat,
  type ChannelStats,
  type LaneStat,
  listChannels,
  statChannel,
} from "./src/channel/channel_stat.ts";
export type { Consumer } from "./src/channel/consumer.ts";
export type { ChannelVisit } from "./src/channel/lane_reader.ts";
export type { Producer } from "./src/channel/producer.ts";
export type { Reservation } from "./src/channel/reservation.ts";
export type {
  TypedChannel,
  TypedChannelOptions,
  TypedConsumer,
  TypedMessage,
  TypedProducer,
} from "./src/channel/typed_channel.ts";

export { MAILBOX_KEY } from "./src/mailbox/descriptor.ts";
export type { MailboxOptions } from "./src/mailbox/mailbox_membership.ts";
export {
  MailboxClient,
  type SendOptions,
  type SendSyncOptions,
} from "./src/mailbox/mailbox_client.ts";
export {
  MailboxServer,
  type MailboxServerOptions,
  type ReceiveOptions,
  type ServeOptions,
} from "./src/mailbox/mailbox_server.ts";
export type { Message } from "./src/mailbox/message.ts";
export { ShmEntry, type ShmEntryOptions } from "./src/mailbox/shm_entry.ts";
