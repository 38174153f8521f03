/** The message that a mailbox server receives. */

/** One message, copied out of the mailbox: it does not change when the memory changes. */
export interface Message {
  /** The text; bytes that are not valid UTF-8 are U+FFFD here. */
  readonly text: string;
  /** When it was received. */
  readonly time: Date;
  /**
   * The process that sent the message; `null` if it is unknown: the message comes from a classic
   * program, its sender did not wait for it to be taken, or it was acknowledged. Each access asks the
   * kernel.
   */
  readonly sender: number | null;
}
