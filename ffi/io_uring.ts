/**
 * A futex wait that ends on a file descriptor: io_uring(7) with two requests behind each other, a futex
 * wait and the write of one byte into a pipe. So whoever polls the pipe, as the event loop does, is
 * woken by the very `FUTEX_WAKE` that wakes a blocked thread, without a thread in between.
 *
 * Linux has it since 6.7; containers often forbid it. Then `open` says so and there are other ways to
 * wait. Used by `src/sync/bell.ts`.
 *
 * The kernel reads the word at the address once, when a wait is armed, and never writes there.
 */

import { ERRNO } from "./errno.ts";
import { closeFd, ioUringEnter, ioUringSetup, mapRing, openPipe, unmap } from "./libc.ts";

/** What the kernel and we share. Source: linux/io_uring.h, the same on every architecture. */
const URING = {
  /** mmap offsets of the two rings and of the requests. */
  OFF_RINGS: 0n,
  OFF_REQUESTS: 0x10000000n,
  /** Words of `struct io_uring_params`, which has 30. */
  PARAMS: { WORDS: 30, SQ_ENTRIES: 0, CQ_ENTRIES: 1, FEATURES: 5, SQ_OFF: 10, CQ_OFF: 20 },
  /** Words of `struct io_sqring_offsets` and `struct io_cqring_offsets`. */
  SQ: { TAIL: 1, ARRAY: 6 },
  CQ: { HEAD: 0, TAIL: 1, CQES: 5 },
  FEATURE_SINGLE_MMAP: 1,
  /** Bytes of `struct io_uring_sqe` and the fields we use; of `struct io_uring_cqe`, its `res`. */
  SQE: { SIZE: 64, OPCODE: 0, FLAGS: 1, FD: 4, OFFSET: 8, ADDRESS: 16, LENGTH: 24, ADDRESS3: 48 },
  CQE: { SIZE: 16, RESULT: 8 },
  OP_WRITE: 23,
  OP_FUTEX_WAIT: 51,
  /** The next request follows whatever becomes of this one. */
  FLAG_HARDLINK: 8,
} as const;

/** The futex2 flag for a word of 32 bits, shared between processes; and the mask that all wakes match. */
const FUTEX2_SIZE_U32 = 2;
const MATCH_ANY = 0xffffffffn;
const WORD = 4;
/** Requests that stand at once: the wait and the write. */
const REQUESTS = 2;

/** What the probe found: 0, or -errno. */
let probed: number | undefined;

/** One wait at a time, armed and heard on a pipe. */
export class FutexRing {
  /** To be polled and read: a byte for each wait that has ended. Whoever reads it owns and closes it. */
  readonly pipe: number;
  readonly #writeEnd: number;
  readonly #fd: number;
  readonly #maps: readonly { readonly at: Deno.PointerObject; readonly size: number }[];
  readonly #ring: Int32Array<ArrayBuffer>;
  readonly #requests: DataView<ArrayBuffer>;
  /** Indexes of words in the ring. */
  readonly #sqTail: number;
  readonly #cqHead: number;
  readonly #cqTail: number;
  readonly #cqes: number;
  #open = true;

  private constructor(how: {
    readonly fd: number;
    readonly pipe: readonly [number, number];
    readonly params: Int32Array;
    readonly rings: { readonly at: Deno.PointerObject; readonly size: number };
    readonly requests: { readonly at: Deno.PointerObject; readonly size: number };
  }) {
    const { params } = how;
    const { PARAMS, SQ, CQ, SQE } = URING;
    const index = (group: number, field: number): number => params[group + field]! / WORD;
    this.#fd = how.fd;
    [this.pipe, this.#writeEnd] = how.pipe;
    this.#maps = [how.rings, how.requests];
    const view = ({ at, size }: { at: Deno.PointerObject; size: number }): ArrayBuffer =>
      Deno.UnsafePointerView.getArrayBuffer(at, size);
    this.#ring = new Int32Array(view(how.rings));
    this.#requests = new DataView(view(how.requests));
    this.#sqTail = index(PARAMS.SQ_OFF, SQ.TAIL);
    this.#cqHead = index(PARAMS.CQ_OFF, CQ.HEAD);
    this.#cqTail = index(PARAMS.CQ_OFF, CQ.TAIL);
    this.#cqes = index(PARAMS.CQ_OFF, CQ.CQES);

    // The same two requests each time: only the word and its value change
    const order = index(PARAMS.SQ_OFF, SQ.ARRAY);
    for (let i = 0; i < REQUESTS; i++) this.#ring[order + i] = i;
    const requests = this.#requests;
    requests.setUint8(SQE.OPCODE, URING.OP_FUTEX_WAIT);
    requests.setUint8(SQE.FLAGS, URING.FLAG_HARDLINK);
    requests.setInt32(SQE.FD, FUTEX2_SIZE_U32, true);
    requests.setBigUint64(SQE.ADDRESS3, MATCH_ANY, true);
    const write = SQE.SIZE;
    requests.setUint8(write + SQE.OPCODE, URING.OP_WRITE);
    requests.setInt32(write + SQE.FD, this.#writeEnd, true);
    // Any byte that stays mapped
    requests.setBigUint64(write + SQE.ADDRESS, Deno.UnsafePointer.value(how.requests.at), true);
    requests.setUint32(write + SQE.LENGTH, 1, true);
  }

  /** Whether this kernel and this container let us do it. Asked of them once. */
  static get supported(): boolean {
    return FutexRing.#probed() === 0;
  }

  /** A ring, or the negative errno of what they do not let us do, or cannot just now. */
  static open(): FutexRing | number {
    const found = FutexRing.#probed();
    return found < 0 ? found : FutexRing.#make();
  }

  static #probed(): number {
    return probed ??= FutexRing.#probe();
  }

  static #make(): FutexRing | number {
    const { PARAMS, SQ, CQ, SQE, CQE } = URING;
    const params = new Int32Array(PARAMS.WORDS);
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
    const pipe = openPipe();
    if (typeof rings === "number" || typeof requests === "number" || typeof pipe === "number") {
      if (typeof rings !== "number") unmap(rings, size);
      if (typeof requests !== "number") unmap(requests, REQUESTS * SQE.SIZE);
      if (typeof pipe !== "number") pipe.forEach(closeFd);
      closeFd(fd);
      return [rings, requests, pipe].find((each) => typeof each === "number") as number;
    }
    return new FutexRing({
      fd,
      pipe,
      params,
      rings: { at: rings, size },
      requests: { at: requests, size: REQUESTS * SQE.SIZE },
    });
  }

  /**
   * Whether the kernel knows a futex wait: a word that is not what we say it is ends it at once. On a
   * ring of its own, for the byte that it leaves in the pipe would end somebody's first wait. 0, or -errno.
   */
  static #probe(): number {
    const ring = FutexRing.#make();
    if (typeof ring === "number") return ring;
    // The ring's own memory is no place for a futex
    const word = new Int32Array(1);
    const armed = ring.arm(Deno.UnsafePointer.of(word)!, 1);
    const result = ring.#ring[ring.#cqes + URING.CQE.RESULT / WORD]!;
    ring.close();
    closeFd(ring.pipe);
    if (armed < 0) return armed;
    return result === -ERRNO.EAGAIN ? 0 : Math.min(result, -1);
  }

  /**
   * Waits for the word at `address` to be something else than `value`, or to be woken: then a byte is
   * in the pipe. Nothing may be armed already. 0, or -errno.
   */
  arm(address: Deno.PointerObject, value: number): number {
    // Its memory is unmapped
    if (!this.#open) return -ERRNO.EINVAL;
    const { SQE } = URING;
    this.#requests.setBigUint64(SQE.ADDRESS, Deno.UnsafePointer.value(address), true);
    this.#requests.setBigUint64(SQE.OFFSET, BigInt(value >>> 0), true);
    // What ended is of no interest: that it ended is in the pipe
    Atomics.store(this.#ring, this.#cqHead, Atomics.load(this.#ring, this.#cqTail));
    const tail = Atomics.load(this.#ring, this.#sqTail);
    Atomics.store(this.#ring, this.#sqTail, tail + REQUESTS);
    const result = ioUringEnter(this.#fd, REQUESTS);
    return result < 0 ? result : 0;
  }

  /** Ends a wait under way, and gives all back but the pipe's end that others read. Twice is once. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeFd(this.#fd);
    closeFd(this.#writeEnd);
    for (const { at, size } of this.#maps) unmap(at, size);
  }
}
