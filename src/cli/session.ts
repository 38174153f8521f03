/**
 * What the commands have in common that run until something ends them: why they ended, with which exit
 * code, and what they print about their segment. Internal: used by the commands for messages, `latest`
 * and `watch`.
 */

import { formatKey, ShmError } from "../../ffi/shm_error.ts";
import type { LeaveResult } from "../sync/membership.ts";
import { formatMode } from "../sysv/object_stat.ts";
import { statSegment, tryStat } from "../sysv/segment_stat.ts";
import { Interrupted } from "./terminal/interruption.ts";
import { formatSize } from "./text/size.ts";
import { plural } from "./text/wording.ts";

/** Why a command ended, and its exit code. */
export interface End {
  readonly why: string;
  readonly code: number;
}

/**
 * The end of a command that receives: its output was closed, no message (or `what` else comes) came in
 * time, or a signal came, whose exit code depends on whether the user had set a `goal`. Throws any other error again.
 */
export function endBy(
  error: unknown,
  { goal, timeout, what = "message" }: {
    readonly goal: boolean;
    readonly timeout?: number;
    readonly what?: string;
  },
): End {
  if (error instanceof Deno.errors.BrokenPipe) return { why: "stdout was closed", code: 0 };
  if (ShmError.is(error, "ETIMEDOUT")) return { why: `no ${what} for ${timeout} ms`, code: 1 };
  if (!(error instanceof Interrupted)) throw error;
  return { why: error.message, code: goal ? error.exitCode : error.exitCodeOfEndless };
}

/** What happened to the segment when the command left it, in words. */
export const LEFT: Readonly<Record<LeaveResult, string>> = {
  removed: "removed",
  kept: "kept",
  unread: "kept: it has unread messages",
  "in use": "kept: other processes are attached",
  "not ours": "kept: only its owner may remove it",
};

/** Whether the segment is gone, or goes when its users are gone. */
export function isRemoved(id: number): boolean {
  const stat = tryStat(id);
  return typeof stat === "number" || stat.markedForRemoval;
}

/** A segment, or an object in one. */
interface Shared {
  readonly id: number;
  readonly key: number;
  readonly othersMayWrite: boolean;
}

/** A channel or a topic that the command has opened, in words. */
export function openedText(
  { id, key, lanes, laneCapacity }: {
    readonly id: number;
    readonly key: number;
    readonly lanes: number;
    readonly laneCapacity: number;
  },
): string {
  return `at key ${formatKey(key)}, segment ${id}, ${plural(lanes, "lane")} of ` +
    `${formatSize(laneCapacity)}, mode ${formatMode(statSegment(id).mode)}`;
}

/** Prints a warning about memory that other users may write to, unless the user asked for it. */
export function tellExposure(
  { id, key, othersMayWrite }: Shared,
  { open, tell }: {
    readonly open: { readonly mode?: number };
    readonly tell: (line: string) => void;
  },
): void {
  if (!othersMayWrite) return;
  const { mode, uid } = statSegment(id);
  if (open.mode === mode) return;
  tell(
    `warning: segment ${id} (key ${formatKey(key)}, owner uid ${uid}) has mode ` +
      `${formatMode(mode)}: other users may read and forge messages`,
  );
}
