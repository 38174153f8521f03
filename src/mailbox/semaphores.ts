/**
 * The size and the semaphores by which a list of objects recognises a mailbox, without its layout.
 * Internal: `descriptor.ts` re-exports them beside the layout.
 */

/** Bytes of the segment. A test compares it with the layout. */
export const SEGMENT_SIZE = 2049;

/** The semaphores of the set under the mailbox's key, by number. All start at 0. */
export const SEMAPHORE = {
  /** The entry lock: a peer holds it briefly while it joins or leaves. */
  LOCK: 0,
  /** How many peers that use the set are attached. */
  USERS: 1,
  /** The role of the one server. */
  SERVER: 2,
  /** The role of the sender whose turn it is; 2 once its message is in the slot. */
  SENDER: 3,
  /** The role on the message in the slot: the server holds it to handle it, a sender to withdraw it. */
  IN_FLIGHT: 4,
  /** 1 if the last peer to leave removes the segment. Set under LOCK, without undo. */
  DISPOSABLE: 5,
} as const;

/** How many semaphores the set has. */
export const SEMAPHORE_COUNT: number = Object.keys(SEMAPHORE).length;

/** Whether a mailbox has a segment of `size` bytes and a set of this many semaphores. */
export function isMailboxSize(size: number, semaphores: number): boolean {
  return size === SEGMENT_SIZE && semaphores === SEMAPHORE_COUNT;
}
