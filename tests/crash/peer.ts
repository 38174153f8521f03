/**
 * What the TypeScript peers of the crash harnesses have in common: each notes on the board what it does, and
 * works until it has done enough, or is killed. A harness starts it with the id of the board and the peer's
 * number on it. `peer.h` is the same in C.
 */

import { ShmError, statSegment } from "../../mod.ts";
import { lengthOf } from "../channel/peer_messages.ts";
import { Board, STATE } from "./board.ts";
import { Random } from "./random.ts";

/** How a peer ends that has found something wrong, and one under which the object was removed. */
const EXIT_VIOLATION = 3;
const EXIT_REMOVED = 4;

const [boardId, ownNumber] = Deno.args.map(Number) as [number, number];
const clock = new Int32Array(new SharedArrayBuffer(4));

/** The number of this peer. */
export const number: number = ownNumber;
/** The board, and the place of this peer. */
export const board: Board = new Board(boardId, ownNumber);
/** What the supervisor decided about this peer. */
export const plan: Board["plan"] = board.plan;
/** What decides the rest. */
export const random: Random = new Random(plan.seed);
/** The options of what waits. */
export const ends: { readonly spin?: number } = plan.spin ? {} : { spin: 0 };

/** An object of any protocol. */
interface Joined {
  readonly id: number;
  remove(): void;
  close(): string;
}

/** The length of a message, or of a value. */
export function length(sequence: number): number {
  return board.least + lengthOf(sequence, board.most - board.least);
}

/** Sleeps for a moment, the whole process; longer than C peers do, as there are fewer kills to hit it. */
export function restSometimes(): void {
  if (plan.pause !== 0 && random.below(plan.pause) === 0) {
    Atomics.wait(clock, 0, 0, 0.02 + random.below(3000) / 1000);
  }
}

/** Gives up the supervisor's rights for those of another user. */
function become(id: number): void {
  const libc = Deno.dlopen("libc.so.6", {
    setgroups: { parameters: ["usize", "pointer"], result: "i32" },
    setegid: { parameters: ["u32"], result: "i32" },
    seteuid: { parameters: ["u32"], result: "i32" },
  });
  const { setgroups, setegid, seteuid } = libc.symbols;
  if (setgroups(0n, null) + setegid(id) + seteuid(id) !== 0) throw new Error(`cannot become ${id}`);
}

function isError(error: unknown, code: string): boolean {
  return error instanceof ShmError && error.code === code;
}

function arrive<Object>(join: () => Object): Object {
  for (;;) {
    try {
      return join();
    } catch (error) {
      if (!board.inHurry || !isError(error, "ETIMEDOUT")) throw error;
      board.timedOut();
    }
  }
}

/** Tries to remove what is another user's. */
export function tryRemoval(object: Joined): void {
  const { user } = plan;
  if (user === 0 || random.below(4) !== 0 || statSegment(object.id).cuid === user) return;
  try {
    object.remove();
  } catch (error) {
    if (!isError(error, "EPERM")) throw error;
    return board.refused();
  }
  throw new Error("removing another user's object is not refused");
}

/** Leaves the object: the last thing that a peer does. */
export function leave(object: Joined): void {
  board.enter(STATE.LEAVING);
  if (object.close() === "not ours") board.notOurs();
}

async function live<Object extends Joined>(
  object: Object,
  work: (object: Object) => Promise<void>,
): Promise<number> {
  try {
    await work(object);
    return 0;
  } catch (error) {
    if (!board.removed || !isError(error, "EIDRM")) throw error;
    leave(object);
    return EXIT_REMOVED;
  }
}

/** The life of a peer: joins, works until it leaves, and ends the process. */
export async function run<Object extends Joined>(
  join: () => Object,
  work: (object: Object) => Promise<void>,
): Promise<never> {
  try {
    if (plan.user !== 0) become(plan.user);
    board.enter(STATE.ARRIVING);
    const code = await live(arrive(join), work);
    board.enter(STATE.LEFT);
    Deno.exit(code);
  } catch (error) {
    board.complain(error instanceof Error ? error.stack ?? error.message : String(error));
    Deno.exit(EXIT_VIOLATION);
  }
}
