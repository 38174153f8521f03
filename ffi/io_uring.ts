/**
 * Futex waits that end on a file descriptor: io_uring(7) performs the waits, and an eventfd counts their
 * ends. So the same `FUTEX_WAKE` that wakes a blocked thread also wakes an event loop that polls the
 * eventfd, without a helper thread. One ring holds any number of waits.
 *
 * The ring defers its work. Otherwise the kernel would interrupt the polling thread to do the work there,
 * and the event loop would turn once for nothing before it gets the result.
 *
 * Linux supports it since 6.7, but containers often forbid it. Then `open` returns an error, and there are
 * other ways to wait. Internal: used by `src/sync/async_futex.ts`.
 *
 * The kernel reads the word at the address once, when a wait is armed, and never writes to it.
 */

import { MMAP, SYSCALL } from "./constants.ts";
import { ERRNO } from "./errno.ts";
import { closeFd, openEventfd } from "./files.ts";
import { MINUS_ONE, ring } from "./libc.ts";
import { unmap } from "./shm.ts";

/** The kernel's interface. Source: linux/io_uring.h, the same on every architecture. */
const URING = {
  /** The mmap offsets of the two rings and of the requests. */
  OFF_RINGS: 0n,
  OFF_REQUESTS: 0x10000000n,
  /** Word indexes in `struct io_uring_params`, which has 30 words. */
  PARAMS: {
    WORDS: 30,
    SQ_ENTRIES: 0,
    CQ_ENTRIES: 1,
    FLAGS: 2,
    FEATURES: 5,
    SQ_OFF: 10,
    CQ_OFF: 20,
  },
  /** This process chooses the size of the completion ring. */
  SETUP_CQSIZE: 8,
  /** A flag in the ring reports pending work. */
  SETUP_TASKRUN_FLAG: 0x200,
  /** One thread submits requests, and their deferred work is done when this thread asks for it. */
  SETUP_SINGLE_ISSUER: 0x1000,
  SETUP_DEFER_TASKRUN: 0x2000,
  /** Word indexes in `struct io_sqring_offsets` and `struct io_cqring_offsets`. */
  SQ: { TAIL: 1, FLAGS: 4, ARRAY: 6 },
  CQ: { HEAD: 0, TAIL: 1, CQES: 5, FLAGS: 6 },
  /** Flags of the submission ring: completions that did not fit, and pending work. */
  SQ_CQ_OVERFLOW: 2,
  SQ_TASKRUN: 4,
  /** Flag of the completion ring: the eventfd counts nothing while it is set. */
  CQ_EVENTFD_DISABLED: 1,
  FEATURE_SINGLE_MMAP: 1,
  /** Size and field offsets in bytes of `struct io_uring_sqe` and `struct io_uring_cqe`. */
  SQE: {
    SIZE: 64,
    OPCODE: 0,
    FLAGS: 1,
    FD: 4,
    OFFSET: 8,
    ADDRESS: 16,
    USER_DATA: 32,
    ADDRESS3: 48,
  },
  CQE: { SIZE: 16, USER_DATA: 0, RESULT: 8 },
  OP_ASYNC_CANCEL: 14,
  OP_FUTEX_WAIT: 51,
  /** No completion for a request that succeeds. */
  FLAG_SKIP_SUCCESS: 0x40,
  /** Asks the kernel to do the pending work. */
  ENTER_GETEVENTS: 1,
  REGISTER_EVENTFD: 4,
} as const;

/** The futex2 flag for a 32-bit word shared between processes, and the mask that matches all wakes. */
const FUTEX2_SIZE_U32 = 2;
const MATCH_ANY = 0xffffffffn;
const WORD = 4;
/** The number of requests submitted at a time. */
const REQUESTS = 1;
/** The size of the completion ring. Further completions stay in the kernel until there is room. */
const COMPLETIONS = 256;
/** A number that no wait has. It marks the completion of a cancellation, which is ignored. */
const NO_WAIT = 0;

/** Errors that may disappear later. */
const PASSING: readonly number[] = [-ERRNO.EMFILE, -ERRNO.ENFILE, -ERRNO.ENOMEM];

/** The permanent result of the probe: 0, or -errno. */
let probed: number | undefined;

/** A mapped part of the ring. */
interface Mapped {
  readonly at: Deno.PointerObject;
  readonly size: number;
}

/** Futex waits, each with a number that the caller chooses. An eventfd counts their ends. */
export class FutexRing {
  /** The eventfd to poll and read: it counts ended waits. Its reader owns and closes it. */
  readonly event: number;
  readonly #fd: number;
  readonly #maps: readonly Mapped[];
  readonly #ring: Int32Array<ArrayBuffer>;
  readonly #completions: DataView<ArrayBuffer>;
  readonly #request: DataView<ArrayBuffer>;
  /** Word indexes in the ring. */
  readonly #sqTail: number;
  readonly #sqFlags: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqFlags: number;
  #open = true;

  private constructor(how: {
    readonly fd: number;
    readonly event: number;
    readonly params: Int32Array;
    readonly rings: Mapped;
    readonly requests: Mapped;
  }) {
    const { params } = how;
    const { PARAMS, SQ, CQ } = URING;
    const index = (group: number, field: number): number => params[group + field]! / WORD;
    this.#fd = how.fd;
    this.event = how.event;
    this.#maps = [how.rings, how.requests];
    const view = ({ at, size }: Mapped): ArrayBuffer =>
      Deno.UnsafePointerView.getArrayBuffer(at, size);
    const rings = view(how.rings);
    this.#ring = new Int32Array(rings);
    this.#completions = new DataView(rings, params[PARAMS.CQ_OFF + CQ.CQES]!);
    this.#request = new DataView(view(how.requests));
    this.#sqTail = index(PARAMS.SQ_OFF, SQ.TAIL);
    this.#sqFlags = index(PARAMS.SQ_OFF, SQ.FLAGS);
    this.#cqHead = index(PARAMS.CQ_OFF, CQ.HEAD);
    this.#cqTail = index(PARAMS.CQ_OFF, CQ.TAIL);
    this.#cqFlags = index(PARAMS.CQ_OFF, CQ.FLAGS);
    // Every submission uses the first request
    this.#ring[index(PARAMS.SQ_OFF, SQ.ARRAY)] = 0;
  }

  /** Whether the kernel and the container allow it. */
  static get supported(): boolean {
    return FutexRing.#probed() === 0;
  }

  /** Opens a ring. Returns -errno if it is forbidden, unsupported or currently not possible. */
  static open(): FutexRing | number {
    const found = FutexRing.#probed();
    return found < 0 ? found : FutexRing.#make();
  }

  /** Probes once, and again after an error that may disappear. */
  static #probed(): number {
    if (probed !== undefined) return probed;
    const found = FutexRing.#probe();
    if (!PASSING.includes(found)) probed = found;
    return found;
  }

  static #make(): FutexRing | number {
    const { PARAMS, SQ, CQ, SQE, CQE } = URING;
    const params = new Int32Array(PARAMS.WORDS);
    params[PARAMS.FLAGS] = URING.SETUP_SINGLE_ISSUER | URING.SETUP_DEFER_TASKRUN |
      URING.SETUP_TASKRUN_FLAG | URING.SETUP_CQSIZE;
    params[PARAMS.CQ_ENTRIES] = COMPLETIONS;
    const fd = ioUringSetup(REQUESTS, params);
    if (fd < 0) return fd;
    const entries = { sq: params[PARAMS.SQ_ENTRIES]!, cq: params[PARAMS.CQ_ENTRIES]! };
    const size = Math.max(
      params[PARAMS.SQ_OFF + SQ.ARRAY]! + entries.sq * WORD,
      params[PARAMS.CQ_OFF + CQ.CQES]! + entries.cq * CQE.SIZE,
    );
    const supported = (params[PARAMS.FEATURES]! & URING.FEATURE_SINGLE_MMAP) !== 0 &&
      entries.sq === REQUESTS && entries.cq === COMPLETIONS;
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
   * Tests whether the kernel supports a futex wait, with a value that differs from the word, so that the
   * wait ends at once. It uses a separate ring, whose eventfd is not read. Returns 0, or -errno.
   */
  static #probe(): number {
    const ring = FutexRing.#make();
    if (typeof ring === "number") return ring;
    // A futex cannot be in the ring's own memory
    const word = new Int32Array(1);
    const armed = ring.arm(1, Deno.UnsafePointer.of(word)!, 1);
    const result = ring.#completions.getInt32(URING.CQE.RESULT, true);
    ring.close();
    closeFd(ring.event);
    if (armed < 0) return armed;
    return result === -ERRNO.EAGAIN ? 0 : Math.min(result, -1);
  }

  /**
   * Waits until the word at `address` is not `value`, or until a wake. Then the eventfd counts, and `reap`
   * returns `wait`, a positive integer that no other current wait has. Returns 0, or -errno.
   */
  arm(wait: number, address: Deno.PointerObject, value: number): number {
    // The ring is closed and its memory is unmapped
    if (!this.#open) return -ERRNO.EINVAL;
    const { SQE } = URING;
    const request = this.#request;
    request.setUint8(SQE.OPCODE, URING.OP_FUTEX_WAIT);
    request.setUint8(SQE.FLAGS, 0);
    request.setInt32(SQE.FD, FUTEX2_SIZE_U32, true);
    request.setBigUint64(SQE.OFFSET, BigInt(value >>> 0), true);
    request.setBigUint64(SQE.ADDRESS, Deno.UnsafePointer.value(address), true);
    // The kernel only returns it; as a double it needs no BigInt
    request.setFloat64(SQE.USER_DATA, wait, true);
    request.setBigUint64(SQE.ADDRESS3, MATCH_ANY, true);
    return this.#submit();
  }

  /** Ends `wait`, if it is not over. `reap` still returns it. */
  cancel(wait: number): void {
    if (!this.#open) return;
    const { SQE } = URING;
    const request = this.#request;
    request.setUint8(SQE.OPCODE, URING.OP_ASYNC_CANCEL);
    request.setUint8(SQE.FLAGS, URING.FLAG_SKIP_SUCCESS);
    request.setInt32(SQE.FD, -1, true);
    request.setBigUint64(SQE.OFFSET, 0n, true);
    request.setFloat64(SQE.ADDRESS, wait, true);
    request.setFloat64(SQE.USER_DATA, NO_WAIT, true);
    request.setBigUint64(SQE.ADDRESS3, 0n, true);
    this.#submit();
  }

  #submit(): number {
    Atomics.store(this.#ring, this.#sqTail, Atomics.load(this.#ring, this.#sqTail) + REQUESTS);
    const result = ioUringEnter(this.#fd, REQUESTS, 0);
    return result < 0 ? result : 0;
  }

  /** Returns the waits that have ended, each once. Call it whenever the eventfd has counted. */
  reap(): number[] {
    const ended: number[] = [];
    if (!this.#open) return ended;
    const ring = this.#ring;
    const { SQ_CQ_OVERFLOW, SQ_TASKRUN, CQE } = URING;
    do {
      // The eventfd need not count completions that are found here
      Atomics.store(ring, this.#cqFlags, URING.CQ_EVENTFD_DISABLED);
      ioUringEnter(this.#fd, 0, URING.ENTER_GETEVENTS);
      const tail = Atomics.load(ring, this.#cqTail);
      let head = Atomics.load(ring, this.#cqHead);
      for (; head !== tail; head = (head + 1) | 0) {
        const at = (head & (COMPLETIONS - 1)) * CQE.SIZE;
        const wait = this.#completions.getFloat64(at + CQE.USER_DATA, true);
        if (wait !== NO_WAIT) ended.push(wait);
      }
      Atomics.store(ring, this.#cqHead, head);
      Atomics.store(ring, this.#cqFlags, 0);
      // The eventfd has not counted completions that arrived in between
    } while ((Atomics.load(ring, this.#sqFlags) & (SQ_CQ_OVERFLOW | SQ_TASKRUN)) !== 0);
    return ended;
  }

  /** Ends all waits and closes the ring, but not the eventfd. Calling it again does nothing. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeFd(this.#fd);
    for (const { at, size } of this.#maps) unmap(at, size);
  }
}

/** Maps `size` bytes of a ring. Returns the address, or -errno. {@linkcode unmap} reverses it. */
function mapRing(fd: number, size: number, offset: bigint): Deno.PointerObject | number {
  const { symbols, errno } = ring();
  const access = MMAP.PROT_READ | MMAP.PROT_WRITE;
  const flags = MMAP.SHARED | MMAP.POPULATE;
  const pointer = symbols.mmap(null, BigInt(size), access, flags, fd, offset);
  const failed = errno[0]!;
  return pointer === null || Deno.UnsafePointer.value(pointer) === MINUS_ONE ? -failed : pointer;
}

/** Makes a ring of `entries` requests and fills in `params`. Returns its file descriptor, or -errno. */
function ioUringSetup(entries: number, params: Int32Array<ArrayBuffer>): number {
  const { symbols, errno } = ring();
  const result = symbols.ioUringSetup(SYSCALL.IO_URING_SETUP, entries, params);
  return result === -1 ? -errno[0]! : result;
}

/** Submits `count` requests to the kernel without waiting. Returns how many it accepted, or -errno. */
function ioUringEnter(fd: number, count: number, flags: number): number {
  const { symbols, errno } = ring();
  const result = symbols.ioUringEnter(SYSCALL.IO_URING_ENTER, fd, count, 0, flags, null, 0n);
  return result === -1 ? -errno[0]! : result;
}

/** Registers one resource with a ring. Returns 0 or more, or -errno. */
function ioUringRegister(fd: number, op: number, argument: Int32Array<ArrayBuffer>): number {
  const { symbols, errno } = ring();
  const result = symbols.ioUringRegister(SYSCALL.IO_URING_REGISTER, fd, op, argument, 1);
  return result === -1 ? -errno[0]! : result;
}
