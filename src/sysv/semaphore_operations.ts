/**
 * Operations on semaphores: checked, packed once in the kernel's form, and inverted to revert them.
 * Internal: used by this folder.
 */

import { IPC, MAX_COUNT, MAX_VALUE, SEM } from "../../ffi/constants.ts";
import { packSembufs, type Sembufs } from "../../ffi/sem.ts";
import {
  type Check,
  checkElements,
  checkFlag,
  checkNumber,
  optionsReader,
} from "../layout/arguments.ts";
import { mistyped } from "../layout/refusal.ts";

/**
 * One operation on a semaphore. The operations of one call happen in one step or not at all. Source:
 * `struct sembuf`, semop(2).
 */
export interface Operation {
  /** The index of the semaphore in the set, from 0. */
  readonly semaphore: number;
  /** The number to add. The value never falls below 0: a subtraction waits. 0 waits for zero. */
  readonly add: number;
  /** Whether the kernel reverts it when this process ends, for whatever reason. */
  readonly undo?: boolean;
  /** Fail with `EAGAIN` if this operation would have to wait. */
  readonly noWait?: boolean;
}

/** Operations checked and packed once for many calls, by {@linkcode SemaphoreSet.prepare}. */
export interface PreparedOperations {
  /** The operations that were prepared. */
  readonly operations: readonly Operation[];
}

/** Operations in the form that the system calls take. */
export class PackedOperations implements PreparedOperations {
  readonly operations: readonly Operation[];
  /** The operations with `IPC_NOWAIT` on each. */
  readonly noWait: Sembufs;
  /** The smallest number of semaphores that a set must have. */
  readonly reach: number;
  /** Whether one of them must not wait. */
  readonly impatient: boolean;
  #given: Sembufs | undefined;
  #inverse: PackedOperations | undefined;
  #probe: Sembufs | undefined;

  /**
   * @throws {RangeError} no operations, or a semaphore or summand is out of range
   */
  constructor(given: readonly Operation[]) {
    const operations = checkElements(given, "operations", LIST, checkOperation);
    if (operations.length === 0) throw new RangeError("operations is empty");
    this.operations = Object.freeze(operations.map((operation) => Object.freeze(operation)));
    this.noWait = pack(operations, IPC.NOWAIT);
    this.reach = 1 + operations.reduce((most, { semaphore }) => Math.max(most, semaphore), 0);
    this.impatient = operations.some(({ noWait }) => noWait === true);
    Object.freeze(this);
  }

  /** Packs operations unless they are packed already. */
  static of(operations: readonly Operation[] | PreparedOperations): PackedOperations {
    if (operations instanceof PackedOperations) return operations;
    if (typeof operations !== "object" || operations === null) {
      throw mistyped("operations", `${LIST}, or what SemaphoreSet.prepare made of one`, operations);
    }
    return new PackedOperations("operations" in operations ? operations.operations : operations);
  }

  /** The operations with the flags that the caller gave. */
  get given(): Sembufs {
    return this.#given ??= pack(this.operations, 0);
  }

  /** A name that is equal for operations that are the same to the kernel. */
  get name(): string {
    return this.given.join();
  }

  /**
   * Operations that wait as these do but change nothing: these and their inverse in the same step,
   * without undo.
   */
  get probe(): Sembufs {
    const inverse = this.inverse?.operations ?? [];
    return this.#probe ??= pack(
      [...this.operations, ...inverse].map((operation) => ({ ...operation, undo: false })),
      0,
    );
  }

  /** The operations that revert these; `undefined` if these change nothing, such as a wait for zero. */
  get inverse(): PackedOperations | undefined {
    const changes = this.operations.filter(({ add }) => add !== 0);
    if (changes.length === 0) return undefined;
    return this.#inverse ??= new PackedOperations(
      // In reverse order, so that the values pass only through values they had before
      changes.reverse().map(({ semaphore, add, undo = false }) => ({ semaphore, add: -add, undo })),
    );
  }
}

function pack(operations: readonly Operation[], extra: number): Sembufs {
  return packSembufs(operations.map(({ semaphore, add, undo, noWait }) => ({
    semaphore,
    add,
    flags: (undo === true ? SEM.UNDO : 0) | (noWait === true ? IPC.NOWAIT : 0) | extra,
  })));
}

/** Whether `value` is an integer from `least` to `most`. */
export function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

const LIST = "an array of { semaphore, add }";

const OPERATION = {
  semaphore: (value: unknown, name: string) => {
    const semaphore = checkNumber(value, name);
    if (isWhole(semaphore, 0, MAX_COUNT - 1)) return semaphore;
    throw new RangeError(`semaphore ${semaphore} is not an integer from 0 to ${MAX_COUNT - 1}`);
  },
  add: (value: unknown, name: string) => {
    const add = checkNumber(value, name);
    if (isWhole(add, -MAX_VALUE, MAX_VALUE)) return add;
    throw new RangeError(`add ${add} is not an integer from -${MAX_VALUE} to ${MAX_VALUE}`);
  },
  undo: checkFlag,
  noWait: checkFlag,
};

const checkOperation: Check<Operation> = optionsReader(OPERATION, ["semaphore", "add"]);
