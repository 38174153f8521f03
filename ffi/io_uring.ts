/**
 * A futex wait that ends on a file descriptor: io_uring(7) waits, and an eventfd counts that it is over.
 * So whoever polls the eventfd, as the event loop does, is woken by the very `FUTEX_WAKE` that wakes a
 * blocked thread, without a thread in between.
 *
 * The ring defers its work: else the kernel interrupts the polling thread to do it there, and the event
 * loop turns once for nothing before it hears of anything.
 *
 * Linux has it since 6.7; containers often forbid it. Then `open` says so and there are other ways to
 * wait. Used by `src/sync/bell.ts`.
 *
 * The kernel reads the word at the address once, when a wait is armed, and never writes there.
 */

import { ERRNO } from "./errno.ts";
import {
  closeFd,
  ioUringEnter,
  ioUringRegister,
  ioUringSetup,
  mapRing,
  openEventfd,
  unmap,
} from "./libc.ts";

/** What the kernel and we share. Source: linux/io_uring.h, the same on every architecture. */
const URING = {
  /** mmap offsets of the two rings and of the requests. */
  OFF_RINGS: 0n,
  OFF_REQUESTS: 0x10000000n,
  /** Words of `struct io_uring_params`, which has 30. */
  PARAMS: {
    WORDS: 30,
    SQ_ENTRIES: 0,
    CQ_ENTRIES: 1,
    FLAGS: 2,
    FEATURES: 5,
    SQ_OFF: 10,
    CQ_OFF: 20,
  },
  /** One thread hands in requests, and what is left to do for them is done when it asks. */
  SETUP_SINGLE_ISSUER: 0x1000,
  SETUP_DEFER_TASKRUN: 0x2000,
  /** Words of `struct io_sqring_offsets` and `struct io_cqring_offsets`. */
  SQ: { TAIL: 1, ARRAY: 6 },
  CQ: { HEAD: 0, TAIL: 1, CQES: 5 },
  FEATURE_SINGLE_MMAP: 1,
  /** Bytes of `struct io_uring_sqe` and the fields we use; of `struct io_uring_cqe`, its `res`. */
  SQE: { SIZE: 64, OPCODE: 0, FLAGS: 1, FD: 4, OFFSET: 8, ADDRESS: 16, ADDRESS3: 48 },
  CQE: { SIZE: 16, RESULT: 8 },
  OP_FUTEX_WAIT: 51,
  /** No completion for a request that succeeds: it would count as another event. */
  FLAG_SKIP_SUCCESS: 0x40,
  /** Asks for what is left to do. */
  ENTER_GETEVENTS: 1,
  REGISTER_EVENTFD: 4,
} as const;

/** The futex2 flag for a word of 32 bits, shared between processes; and the mask that all wakes match. */
const FUTEX2_SIZE_U32 = 2;
const MATCH_ANY = 0xffffffffn;
const WORD = 4;
/** One wait at a time. */
const REQUESTS = 1;

/** What a process may lack now and have later. */
const PASSING: readonly number[] = [-ERRNO.EMFILE, -ERRNO.ENFILE, -ERRNO.ENOMEM];

/** What the probe found, for good: 0, or -errno. */
let probed: number | undefined;

/** Where the kernel put something of the ring. */
interface Mapped {
  readonly at: Deno.PointerObject;
  readonly size: number;
}

/** One wait at a time, armed and heard on an eventfd. */
export class FutexRing {
  /** To be polled and read: counts the waits that have ended. Whoever reads it owns and closes it. */
  readonly event: number;
  readonly #fd: number;
  readonly #maps: readonly Mapped[];
  readonly #ring: Int32Array<ArrayBuffer>;
  readonly #request: DataView<ArrayBuffer>;
  /** Indexes of words in the ring. */
  readonly #sqTail: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqes: number;
  #open = true;

  private constructor(how: {
    readonly fd: number;
    readonly event: number;
    readonly params: Int32Array;
    readonly rings: Mapped;
    readonly requests: Mapped;
  }) {
    const { params } = how;
    const { PARAMS, SQ, CQ, SQE } = URING;
    const index = (group: number, field: number): number => params[group + field]! / WORD;
    this.#fd = how.fd;
    this.event = how.event;
    this.#maps = [how.rings, how.requests];
    const view = ({ at, size }: Mapped): ArrayBuffer =>
      Deno.UnsafePointerView.getArrayBuffer(at, size);
    this.#ring = new Int32Array(view(how.rings));
    this.#request = new DataView(view(how.requests));
    this.#sqTail = index(PARAMS.SQ_OFF, SQ.TAIL);
    this.#cqHead = index(PARAMS.CQ_OFF, CQ.HEAD);
    this.#cqTail = index(PARAMS.CQ_OFF, CQ.TAIL);
    this.#cqes = index(PARAMS.CQ_OFF, CQ.CQES);

    // The same request each time, the first: only the word and its value change
    this.#ring[index(PARAMS.SQ_OFF, SQ.ARRAY)] = 0;
    const request = this.#request;
    request.setUint8(SQE.OPCODE, URING.OP_FUTEX_WAIT);
    request.setUint8(SQE.FLAGS, URING.FLAG_SKIP_SUCCESS);
    request.setInt32(SQE.FD, FUTEX2_SIZE_U32, true);
    request.setBigUint64(SQE.ADDRESS3, MATCH_ANY, true);
  }

  /** Whether this kernel and this container let us do it. */
  static get supported(): boolean {
    return FutexRing.#probed() === 0;
  }

  /** A ring, or the negative errno of what they do not let us do, or cannot just now. */
  static open(): FutexRing | number {
    const found = FutexRing.#probed();
    return found < 0 ? found : FutexRing.#make();
  }

  /** Asked once, unless the answer may be another one later. */
  static #probed(): number {
    if (probed !== undefined) return probed;
    const found = FutexRing.#probe();
    if (!PASSING.includes(found)) probed = found;
    return found;
  }

  static #make(): FutexRing | number {
    const { PARAMS, SQ, CQ, SQE, CQE } = URING;
    const params = new Int32Array(PARAMS.WORDS);
    params[PARAMS.FLAGS] = URING.SETUP_SINGLE_ISSUER | URING.SETUP_DEFER_TASKRUN;
    const fd = ioUringSetup(REQUESTS, params);
    if (fd < 0) return fd;
    const entries = { sq: params[PARAMS.SQ_ENTRIES]!, cq: params[PARAMS.CQ_ENTRIES]! };
    const size = Math.max(
      params[PARAMS.SQ_OFF + SQ.ARRAY]! + entries.sq * WORD,
      params[PARAMS.CQ_OFF + CQ.CQES]! + entries.cq * CQE.SIZE,
    );
    const supported = (params[PARAMS.FEATURES]! & URING.FEATURE_SINGLE_MMAP) !== 0 &&
      entries.sq === REQUESTS;
    const rings = supported ? mapRing(fd, size, URING.OFF_RINGS) : -ERRNO.EINVAL;
    const requests = supported
      ? mapRing(fd, REQUESTS * SQE.SIZE, URING.OFF_REQUESTS)
      : -ERRNO.EINVAL;
    const event = openEventfd();
    const registered = event < 0
      ? event
      : ioUringRegister(fd, URING.REGISTER_EVENTFD, Int32Array.of(event));
    if (typeof rings === "number" || typeof requests === "number" || registered < 0) {
      if (typeof rings !== "number") unmap(rings, size);
      if (typeof requests !== "number") unmap(requests, REQUESTS * SQE.SIZE);
      if (event >= 0) closeFd(event);
      closeFd(fd);
      return [rings, requests].find((each) => typeof each === "number") ?? registered;
    }
    return new FutexRing({
      fd,
      event,
      params,
      rings: { at: rings, size },
      requests: { at: requests, size: REQUESTS * SQE.SIZE },
    });
  }

  /**
   * Whether the kernel knows a futex wait: a word that is not what we say it is ends it at once. On a
   * ring of its own, for the event that it counts would end somebody's first wait. 0, or -errno.
   */
  static #probe(): number {
    const ring = FutexRing.#make();
    if (typeof ring === "number") return ring;
    // The ring's own memory is no place for a futex
    const word = new Int32Array(1);
    const armed = ring.arm(Deno.UnsafePointer.of(word)!, 1);
    const result = ring.#ring[ring.#cqes + URING.CQE.RESULT / WORD]!;
    ring.close();
    closeFd(ring.event);
    if (armed < 0) return armed;
    return result === -ERRNO.EAGAIN ? 0 : Math.min(result, -1);
  }

  /**
   * Waits for the word at `address` to be something else than `value`, or to be woken: then the eventfd
   * counts one more. Nothing may be armed already. 0, or -errno.
   */
  arm(address: Deno.PointerObject, value: number): number {
    // Its memory is unmapped
    if (!this.#open) return -ERRNO.EINVAL;
    // What is left of the last wait, before there is a new one: while something is left, an end that
    // joins it is not counted
    const settled = ioUringEnter(this.#fd, 0, URING.ENTER_GETEVENTS);
    if (settled < 0) return settled;
    const { SQE } = URING;
    this.#request.setBigUint64(SQE.ADDRESS, Deno.UnsafePointer.value(address), true);
    this.#request.setBigUint64(SQE.OFFSET, BigInt(value >>> 0), true);
    // What became of it is of no interest: that it ended was counted
    Atomics.store(this.#ring, this.#cqHead, Atomics.load(this.#ring, this.#cqTail));
    Atomics.store(this.#ring, this.#sqTail, Atomics.load(this.#ring, this.#sqTail) + REQUESTS);
    const result = ioUringEnter(this.#fd, REQUESTS, 0);
    return result < 0 ? result : 0;
  }

  /** Ends a wait under way, and gives all back but the eventfd, which others read. Twice is once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeFd(this.#fd);
    for (const { at, size } of this.#maps) unmap(at, size);
  }
}
