/**
 * The board of the crash harnesses, for TypeScript peers: what each notes about what it is about to do and
 * has done. `board.h` says what the words mean.
 */

import { Segment } from "../../mod.ts";

const WORD = Int32Array.BYTES_PER_ELEMENT;
const SLOT = { AT: 128, SIZE: 512, TEXT: 48 } as const;
const SLOTS = 5;
const RECORD = { AT: SLOT.AT + SLOTS * SLOT.SIZE, SIZE: 32 } as const;
const BOARD_WORD = {
  KEY: 0,
  LANES: 1,
  CAPACITY: 2,
  MOST: 3,
  FINISH: 4,
  TAGS: 5,
  ALLOWANCE: 6,
  LOST: 7,
  REPEATS: 8,
  LEAST: 9,
  SHARED: 10,
  PATIENCE: 11,
  REMOVED: 12,
  REWRITING: 13,
  REWRITTEN: 14,
  TIMEOUTS: 15,
  REFUSED: 16,
  NOT_OURS: 17,
  PROTOCOL: 18,
  HELD: 19,
} as const;
const SLOT_WORD = {
  STATE: 0,
  PROGRESS: 1,
  HAND: 2,
  SEED: 3,
  TAG: 4,
  MODE: 5,
  LIFESPAN: 6,
  PAUSE: 7,
  UNTIL_CLOSED: 9,
  SPIN: 10,
  USER: 11,
} as const;

/** How far a peer is. */
export const STATE = { ARRIVING: 1, WORKING: 2, WAITING: 3, LEAVING: 4, LEFT: 5 } as const;
/** How a consumer receives: the first two at least once, the last at most once. */
export const MODE = { DRAIN: 0, NEXT: 1, COPY: 2 } as const;
/** The consumer's number among the peers; the others are producers. */
export const CONSUMER_SLOT = SLOTS - 1;

/** What is wrong with what a peer found. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** One producer's life, as it and the consumers note it. */
export class Record {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #first: number;

  constructor(words: Int32Array<ArrayBuffer>, tag: number) {
    this.#words = words;
    this.#first = (RECORD.AT + tag * RECORD.SIZE) / WORD;
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#first + word) >>> 0;
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, this.#first + word, value);
  }

  /** By the producer: messages it published or is about to. */
  get intent(): number {
    return this.#load(0);
  }
  set intent(messages: number) {
    this.#store(0, messages);
  }

  /** By the producer: messages it has published. */
  get published(): number {
    return this.#load(1);
  }
  set published(messages: number) {
    this.#store(1, messages);
  }

  /** By the producer: its lane + 1. */
  get lane(): number {
    return this.#load(2);
  }
  set lane(lane: number) {
    this.#store(2, lane);
  }

  /** By the consumer: messages seen and found right, up to the furthest. */
  get seen(): number {
    return this.#load(3);
  }
  set seen(messages: number) {
    this.#store(3, messages);
  }

  /** By the consumer: messages freed for certain, which must not come again. */
  get freed(): number {
    return this.#load(4);
  }
  set freed(messages: number) {
    this.#store(4, messages);
  }

  /** By the producer: whether fewer than `intent` may be published at once, which only it knows after. */
  set batch(underWay: boolean) {
    this.#store(5, Number(underWay));
  }
}

/** The board, and one peer's place on it. */
export class Board {
  readonly #words: Int32Array<ArrayBuffer>;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #slot: number;

  constructor(id: number, slot: number) {
    const { buffer } = Segment.attach(id);
    this.#words = new Int32Array(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#slot = SLOT.AT + slot * SLOT.SIZE;
  }

  #load(word: number): number {
    return Atomics.load(this.#words, word) >>> 0;
  }

  #own(word: number): number {
    return this.#load(this.#slot / WORD + word);
  }

  /** How the object is opened, whatever it is. */
  get joining(): {
    readonly key: number;
    readonly mode?: number;
    readonly trust?: boolean;
    readonly timeout?: number;
  } {
    return {
      key: this.#load(BOARD_WORD.KEY),
      ...(this.#load(BOARD_WORD.SHARED) !== 0 ? { mode: 0o666, trust: true } : {}),
      ...(this.inHurry ? { timeout: this.#load(BOARD_WORD.PATIENCE) } : {}),
    };
  }

  /** Lanes of the object; of a Latest, its cells. */
  get lanes(): number {
    return this.#load(BOARD_WORD.LANES);
  }

  /** Bytes of a lane. */
  get capacity(): number {
    return this.#load(BOARD_WORD.CAPACITY);
  }

  /** What the round is about, for the fan-out harness. */
  get protocol(): number {
    return this.#load(BOARD_WORD.PROTOCOL);
  }

  /** Whether the supervisor holds the object open, so that no peer leaves it as the last. */
  get held(): boolean {
    return this.#load(BOARD_WORD.HELD) !== 0;
  }

  /** Whether joining may take less time than usual, and is tried again then. */
  get inHurry(): boolean {
    return this.#load(BOARD_WORD.PATIENCE) !== 0;
  }

  /** What the supervisor decided about this peer. */
  get plan(): {
    readonly seed: number;
    readonly tag: number;
    readonly mode: number;
    readonly lifespan: number;
    readonly pause: number;
    readonly untilClosed: boolean;
    readonly spin: boolean;
    readonly user: number;
  } {
    return {
      seed: this.#own(SLOT_WORD.SEED),
      tag: this.#own(SLOT_WORD.TAG),
      mode: this.#own(SLOT_WORD.MODE),
      lifespan: this.#own(SLOT_WORD.LIFESPAN),
      pause: this.#own(SLOT_WORD.PAUSE),
      untilClosed: this.#own(SLOT_WORD.UNTIL_CLOSED) !== 0,
      spin: this.#own(SLOT_WORD.SPIN) !== 0,
      user: this.#own(SLOT_WORD.USER),
    };
  }

  /** Bytes of the shortest message. */
  get least(): number {
    return this.#load(BOARD_WORD.LEAST);
  }

  /** Bytes of the longest message. */
  get most(): number {
    return this.#load(BOARD_WORD.MOST);
  }

  /** Whether the supervisor is about to remove the object under its peers. */
  get removed(): boolean {
    return this.#load(BOARD_WORD.REMOVED) !== 0;
  }

  /** Whether a process writes over payloads. */
  get rewriting(): boolean {
    return this.#load(BOARD_WORD.REWRITING) !== 0;
  }

  /** Whether producers are to leave. */
  get finish(): boolean {
    return this.#load(BOARD_WORD.FINISH) !== 0;
  }

  /** How many tags were used in this round. */
  get tags(): number {
    return this.#load(BOARD_WORD.TAGS);
  }

  /** Notes how far this peer is. */
  enter(state: number): void {
    Atomics.store(this.#words, this.#slot / WORD + SLOT_WORD.STATE, state);
    this.progress();
  }

  /** Notes that something was done. */
  progress(): void {
    Atomics.add(this.#words, this.#slot / WORD + SLOT_WORD.PROGRESS, 1);
  }

  /** Notes whether a message may be freed and not yet noted. */
  hold(hand: boolean): void {
    Atomics.store(this.#words, this.#slot / WORD + SLOT_WORD.HAND, Number(hand));
  }

  /** The record of a tag. */
  record(tag: number): Record {
    return new Record(this.#words, tag);
  }

  /** Counts a message that was written over before it was received. */
  rewritten(): void {
    Atomics.add(this.#words, BOARD_WORD.REWRITTEN, 1);
  }

  /** Counts an attempt to join that ended with the time it had. */
  timedOut(): void {
    Atomics.add(this.#words, BOARD_WORD.TIMEOUTS, 1);
    this.progress();
  }

  /** Counts a removal that was refused to another user. */
  refused(): void {
    Atomics.add(this.#words, BOARD_WORD.REFUSED, 1);
  }

  /** Counts leaving last without the right to remove the channel. */
  notOurs(): void {
    Atomics.add(this.#words, BOARD_WORD.NOT_OURS, 1);
  }

  /** Counts messages seen again. */
  repeated(messages: number): void {
    Atomics.add(this.#words, BOARD_WORD.REPEATS, messages);
  }

  /** Counts messages found missing: no more than killed consumers had in hand. */
  missed(messages: number, what: string): void {
    const lost = Atomics.add(this.#words, BOARD_WORD.LOST, messages) + messages;
    const allowance = this.#load(BOARD_WORD.ALLOWANCE);
    if (lost <= allowance) return;
    throw new Violation(
      `${what} is lost: ${lost} so far, and killed consumers had only ${allowance} in hand`,
    );
  }

  /** Writes down what is wrong, for the supervisor. */
  complain(what: string): void {
    const text = new TextEncoder().encode(what).subarray(0, SLOT.SIZE - SLOT.TEXT - 1);
    this.#bytes.set(text, this.#slot + SLOT.TEXT);
  }
}
