/**
 * Why targets are missed, as profiles of this project's own runs show it. The report prints the reason of a
 * target that one of the kept runs misses.
 */

const WOKEN =
  "After a silence both processes start with cold caches, and this guest runs both on one virtual " +
  "processor, so all instructions of both sides count, one after the other. Time stamps in a mailbox's round " +
  "trip: client until its wake 120 us (start 16, encode 26, sender's turn 35, write 16, wake 31); from the wake " +
  "until the handler 130 to 290; server 140 to 235 (completion 40, hand over 26, decode 36, promise 22, " +
  "acknowledge 55). The same code takes 7 to 10 us when it is warm. A socket's round trip is nearly all " +
  "compiled Rust. More spinning makes it worse here: the spinning side holds the processor that its peer needs.";

const SHORT_CALLS =
  "The C twin needs 40 instructions a message, and the compiled TypeScript 200: the checks that the " +
  "argument is an array of bytes, that the object is open and its memory attached, and V8's own check of each " +
  'access (docs/architecture.md, "Where the time of a message goes").';

const PINNED =
  "JavaScript runs on a slower level of this machine than when the target was set, and C does not: the " +
  "commit that was measured with 1.24 us then takes 3.6 to 4.3 us now, beside 4.8 to 5.6 us of this one. So " +
  "10 to 30 % is ours: checks of arguments and the delivery rules.";

const MODULES =
  "Deno loads each module for 40 us, whatever is in it, and fetches the targets of literal dynamic imports " +
  "ahead. The same code as one bundle takes 1.4x; a bundle would not be the code that people read.";

const OPENING =
  "20 system calls (5 semtimedop, 5 shmget and semget, 4 semctl, 4 shmat and shmctl, mappings), nearly all of " +
  "which the C twin makes too. The rest is the calls from JavaScript into C, the checks, and the zero pages that " +
  "detaching puts in place of the memory.";

const LATEST_STRUCT =
  "150 ns in one process, where C copies 64 bytes in one piece: to read eight values out of an object and check " +
  "that each fits its field takes 80 (40 of them are V8's loop over the keys), two calls of Atomics 25, the copy " +
  "6, clearing and finding the layout's functions 15, and the rest are the checks of `write, bytes`. Only generated " +
  "code would read the values faster.";

const LATEST_BYTES =
  "50 ns in one process: two calls of Atomics take 25, where C has two instructions; the copy of 64 bytes 6; the " +
  "checks of the argument, of its length, that the writer is open and free and that no other program wrote the " +
  "number 20. The memory model needs both calls.";

const TOPIC_DRAINED =
  "In one process a message of 64 bytes is published in 60 ns (`TypedArray.prototype.set` 20, two calls of Atomics " +
  "25, checks 15; C: 10) and drained in 18 among many, but in 200 alone: a drain has 9 calls of Atomics. On two " +
  "processors both sides also fetch each other's cache lines for each drain, and a subscriber that was " +
  "descheduled for the 2 ms of its ring misses messages, which do not count.";

/** The reason for each target that is, or was, missed. */
export const REASONS: Readonly<Record<string, string>> = {
  "mailbox-flowing-pinned":
    "The mailbox needs two semaphore operations and a wake a message where a socket has two calls; between runs " +
    "the ratio moves with the socket's own figure.",
  "mailbox-woken": WOKEN,
  "channel-woken": WOKEN,
  lines:
    "Each line is one acknowledged message, and reader, client, server and writer share two processors: a " +
    "message by promises is 9 us of it, the rest is the pipe into the client and the pipe out of the server, " +
    "which acknowledges a line only after it was written.",
  clients:
    "Handing the slot over from one sender to the next takes three wakes of sleeping processes, 1.5 to 2 ms on " +
    "this guest. Senders keep the slot for bursts of up to 50 ms, which C needs to reach the rate of one.",
  "mailbox-idle":
    "A waiting peer looks ten times a second, then once a second: Deno's timer and event loop are half of it.",
  "channel-idle":
    "A waiting peer looks ten times a second, then once a second: Deno's timer and event loop are half of it.",
  "opening-0": OPENING,
  "opening-4000": OPENING,
  ls: MODULES,
  import: MODULES,
  distinct:
    "`TypedArray.prototype.set` is 29 % of the time and its `memmove` 12 %; the rest is as for 8 bytes. JavaScript " +
    "has no faster way to copy an array it has not seen: loops, words and cached views were all slower.",
  "distinct-pinned": "As for distinct payloads without pinning.",
  "8-bytes": SHORT_CALLS,
  "64-bytes": SHORT_CALLS,
  "1-kib": "A copy of 1 KiB is a quarter of the C twin's time, the rest is as for 8 bytes.",
  "64-kib":
    "Both sides copy 64 KiB a message. TypeScript's rate is the same in all runs; the C twin's moves between " +
    "130 k and 460 k messages a second with where the host puts the two processors.",
  spinning:
    "Five atomic accesses a message are calls of builtin functions in V8, 9 ns each; C has an instruction for " +
    "each. The model finds a fault when one of the five is left out.",
  promises: PINNED,
  "latest-write": LATEST_STRUCT,
  "latest-write-bytes": LATEST_BYTES,
  "topic-watched":
    "The publisher does nothing for its subscribers. Four more processes look 50 times a second on " +
    "the same two processors: 1.01x in one run, 0.89x in another.",
  "topic-1": TOPIC_DRAINED,
};
