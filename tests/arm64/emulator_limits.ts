/**
 * The tests that the emulator cannot run, and why. It has no io_uring and starts no Deno for aarch64 as a
 * child: tests that need these are ignored anywhere and say so themselves.
 */

/** Tests with these names, or with names that begin so. */
export interface Limit {
  readonly tests: readonly string[];
  readonly reason: string;
}

export const LIMITS: readonly Limit[] = [
  {
    reason: "it has an entry for each page, and a terabyte has 2^28",
    tests: [
      "Segment.detach: within one task, too, the addresses are bounded",
      "shmget: more than overcommit allows: ENOMEM",
    ],
  },
  {
    reason: "it loses a wake now and then, which slices make up for",
    tests: ["found: "],
  },
  {
    reason:
      "its stack is where a kernel with 39 bits of addresses has it, and the test's addresses have 46",
    tests: ["shmat: unaligned without SHM_RND"],
  },
  {
    reason: "it ignores madvise with MADV_WIPEONFORK, by which C notices a fork",
    tests: [
      "common.h: every call with an inherited handle is refused",
      "shm_channel.h: a forked child that closes and leaves",
      "shm_channel.h: a forked child that lives on",
      "shm_channel.h: every call with an inherited handle is refused",
      "shm_latest.h: every call with an inherited handle is refused",
      "shm_topic.h: every call with an inherited handle is refused",
    ],
  },
  {
    reason: "it copies the operations before it counts them: EFAULT",
    tests: ["semop: nsops 0: EINVAL"],
  },
  {
    reason: "it chooses the address for NULL itself",
    tests: ["shmat: SHM_REMAP with NULL"],
  },
  {
    reason: "a burst is a time, in which one message fits there",
    tests: ["MailboxClient.send: two clients with many messages take turns in bursts"],
  },
  {
    reason: "to look at a thousand waits takes longer there than any of them sleeps at a time",
    tests: [
      "SemaphoreSet.op waits for a thousand semaphores",
      "SemaphoreSet.op waits a thousand times for the same",
    ],
  },
  {
    reason: "minutes of pure TypeScript, at a twentieth of the speed",
    tests: [
      "parseStruct: 16 MiB of anything",
      "parseStruct: 10 000 mutations",
      "parseStruct: sizes and depths out of bounds",
      "typescriptSource: a module that imports it has the same layouts",
    ],
  },
];
