/** What a server receives. */

/**
 * One message, copied out of the mailbox: nothing in it changes when the memory does.
 *
 * @example
 * ```ts
 * import { MailboxClient, MailboxServer, type Message } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * using server = MailboxServer.open({ key: 0x5eed0007 });
 * using client = MailboxClient.open({ key: 0x5eed0007 });
 * assert(client.trySend("hello"));
 * const message: Message | undefined = server.tryReceive();
 * assert.equal(message?.text, "hello");
 * server.ack();
 * ```
 */
export interface Message {
  /** The text; what was no UTF-8 in memory is U+FFFD here. */
  readonly text: string;
  /** When it was received. */
  readonly time: Date;
  /**
   * The process that sent it; `null` where that is not known: for a message from a classic program, one
   * whose sender did not wait for it to be taken, and one that was acknowledged. Asks the kernel at each
   * use.
   */
  readonly sender: number | null;
}
