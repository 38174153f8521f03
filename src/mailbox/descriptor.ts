/**
 * The mailbox's layout: its bytes, its semaphores and its constants. Data only: `docs/wire_format.md`
 * explains their meaning, and `c/common.h` has the same for C, which a test compares with this file.
 *
 * ```
 * offset  0        1                                                      2049
 *         ┌────────┬──────────────────────────────────────────────────────┐
 *         │can_read│ msg: UTF-8 text, a NUL, NULs to the end               │
 *         └────────┴──────────────────────────────────────────────────────┘
 * ```
 *
 * - `can_read`: a sender stores 1 (or 0 when it withdraws a message), the server stores 0; one-byte
 *   atomics. While it is 0, the sender owns `msg`; while it is 1, `msg` is a complete message that no
 *   process changes.
 * - `msg`: the sender writes it while `can_read` is 0, the server reads it while it is 1.
 *
 * Edges: SYNC message (sender's store of 1 -> server's load) and SYNC ack (server's store of 0 ->
 * sender's load).
 */

import { cString } from "../layout/c_string.ts";
import type { CStringLayout, ScalarLayout, StructLayout } from "../layout/layout.ts";
import { bool } from "../layout/scalar.ts";
import { struct } from "../layout/struct.ts";

export { SEGMENT_SIZE, SEMAPHORE, SEMAPHORE_COUNT } from "./semaphores.ts";

/**
 * The key of the classic pair, 0x457.
 *
 * @example
 * ```ts
 * import { MAILBOX_KEY } from "@sysv/shm";
 * import assert from "node:assert/strict";
 *
 * assert.equal(MAILBOX_KEY, 1111);
 * ```
 */
export const MAILBOX_KEY = 1111;

/** `struct ShmEntry { bool can_read; char msg[2048]; }`, 2049 bytes. */
export const LAYOUT: StructLayout<{ can_read: ScalarLayout<boolean>; msg: CStringLayout }> = struct(
  {
    can_read: bool,
    msg: cString(2048),
  },
);

/** The longest text in bytes of UTF-8: one byte less than the field has, for the NUL. */
export const MAX_TEXT_BYTES: number = LAYOUT.fields.msg.size - 1;

/** The 32-bit word that peers wait on: the flag and the first bytes of text. Any change ends a wait. */
export const WORD_OFFSET = 0;
