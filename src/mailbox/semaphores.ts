/**
 * By what a list of objects can tell a mailbox: its size and its semaphores. No layout is needed for
 * that. For `descriptor.ts`, which has the rest.
 */

/** Bytes of the segment. A test compares it with the layout. */
export const SEGMENT_SIZE = 2049;

/** The semaphores of the set under the mailbox's key, by number. All start at 0. */
export const SEMAPHORE = {
  /** The entry lock: held briefly while joining and leaving. */
  LOCK: 0,
  /** How many peers that know the set are attached. */
  USERS: 1,
  /** Role of the one server. */
  SERVER: 2,
  /** Role of the sender whose turn it is; 2 once its message is in the slot. */
  SENDER: 3,
  /** Role on the message in the slot: the server's while it handles it, a sender's to withdraw it. */
  IN_FLIGHT: 4,
  /** 1 if the last one out removes the segment. Set under LOCK, without undo. */
  DISPOSABLE: 5,
} as const;

/** How many semaphores the set has. */
export const SEMAPHORE_COUNT: number = Object.keys(SEMAPHORE).length;
