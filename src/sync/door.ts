/**
 * The door to what several processes share: a semaphore that is held briefly while arriving and
 * leaving, so that nobody arrives at what another is removing, and a second one that counts who is
 * there. Both are undone by the kernel when a process dies. For the rooms to the right.
 */

import { ERRNO } from "../../ffi/errno.ts";
import { ShmError } from "../../ffi/shm_error.ts";
import { isGone } from "../sysv/object_stat.ts";
import type { PreparedOperations } from "../sysv/semaphore_operations.ts";
import { SemaphoreSet } from "../sysv/semaphore_set.ts";
import { doing } from "../sysv/semaphore_wait.ts";
import { Claim } from "./claim.ts";
import { Deadline } from "./deadline.ts";
import { waitSync } from "../sysv/wait.ts";
import { Slices, timedOut } from "./waiting.ts";

/** Which semaphores of a set are the door and the counter, and what stands behind the door. */
export interface DoorPlace {
  /** Claim, held while arriving and leaving. */
  readonly door: number;
  /** How many have entered and not left. */
  readonly users: number;
  /** For errors: "mailbox". */
  readonly what: string;
}

/** Who leaves waits no longer than this: the door is held for microseconds, unless its holder was stopped. */
const LEAVE_MS = 1_000;

/** One process's way in and out. */
export class Door {
  readonly #set: SemaphoreSet;
  readonly #place: DoorPlace;
  readonly #opening: PreparedOperations;
  readonly #exiting: PreparedOperations;
  readonly #vanishing: PreparedOperations;

  private constructor(set: SemaphoreSet, place: DoorPlace) {
    const { door, users } = place;
    this.#set = set;
    this.#place = place;
    this.#opening = SemaphoreSet.prepare([{ semaphore: door, add: -1, undo: true }]);
    this.#vanishing = SemaphoreSet.prepare([{ semaphore: users, add: -1, undo: true }]);
    this.#exiting = SemaphoreSet.prepare([
      { semaphore: users, add: -1, undo: true },
      { semaphore: door, add: -1, undo: true },
    ]);
  }

  /**
   * Gets in and holds the door, blocking while another one does. `undefined` if the set has gone: the
   * last one out took it along, and it is for the caller to start over.
   *
   * @throws {ShmError} `ETIMEDOUT` somebody holds the door for too long
   */
  static enter(set: SemaphoreSet, place: DoorPlace, deadline: Deadline): Door | undefined {
    const { door, users } = place;
    const entering = [
      { semaphore: door, add: 0 },
      { semaphore: door, add: 1, undo: true },
      { semaphore: users, add: 1, undo: true },
    ];
    try {
      waitSync(doing(set, entering, new Slices(deadline, () => held(set, place, "arrive at"))));
    } catch (error) {
      if (error instanceof ShmError && isGone(-error.errno)) return undefined;
      throw error;
    }
    return new Door(set, place);
  }

  /** Lets others in: we have arrived. */
  open(): void {
    this.#set.tryOp(this.#opening);
  }

  /**
   * Holds the door again, in order to leave. If that cannot be, because the set has gone or a stopped
   * process holds the door, it says `false`, and we have left: all stays as it is.
   */
  close(): boolean {
    const { door } = this.#place;
    try {
      const slices = new Slices(
        Deadline.after(LEAVE_MS),
        () => held(this.#set, this.#place, "leave"),
      );
      waitSync(new Claim(this.#set, door).taking(slices));
      return true;
    } catch (error) {
      if (error instanceof ShmError && isGone(-error.errno)) return false;
      this.#set.tryOp(this.#vanishing);
      if (error instanceof ShmError && error.errno === ERRNO.ETIMEDOUT) return false;
      throw error;
    }
  }

  /** Whether nobody else is there. To be asked while we hold the door. */
  get alone(): boolean {
    return this.#set.value(this.#place.users) <= 1;
  }

  /** Goes, and opens the door behind us. */
  exit(): void {
    this.#set.tryOp(this.#exiting);
  }

  /** Removes the set if we may, as the last one out, and goes. */
  exitRemoving(): void {
    try {
      return this.#set.remove();
    } catch (error) {
      // Another user's set, which we were trusted with: it is theirs to remove
      if (!(error instanceof ShmError && error.errno === ERRNO.EPERM)) throw error;
    }
    this.exit();
  }
}

function held(set: SemaphoreSet, { door, what }: DoorPlace, verb: string): ShmError {
  return timedOut(`${verb} the ${what}`, "semop", {
    key: set.key,
    remedy: `process ${
      set.lastPid(door)
    } has been arriving or leaving for too long; is it stopped?`,
  });
}
