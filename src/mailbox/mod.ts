/**
 * The mailbox: one message at a time between clients and one server, in the classic 2049 bytes that C++
 * programs use too.
 *
 * @example
 * ```ts
 * import { MailboxClient, MailboxServer } from "@sysv/shm/mailbox";
 * import assert from "node:assert/strict";
 *
 * using server = MailboxServer.open({ key: 0x5eed000b });
 * using client = MailboxClient.open({ key: 0x5eed000b }); // usually in another process
 * const sent = client.send("hello");
 * assert.equal((await server.receive()).text, "hello");
 * server.ack();
 * await sent;
 * ```
 *
 * @module
 */

export { MAILBOX_KEY } from "./descriptor.ts";
export type { MailboxOptions } from "./mailbox_membership.ts";
export { MailboxClient, type SendOptions, type SendSyncOptions } from "./mailbox_client.ts";
export { MailboxServer, type MailboxServerOptions } from "./mailbox_server.ts";
export type { Message } from "./message.ts";
export { ShmEntry, type ShmEntryOptions } from "./shm_entry.ts";
