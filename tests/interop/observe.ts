/**
 * Looking at a mailbox and its processes from outside, without taking part: a test that attached it
 * would look like a classic program to the others. Waits here have no deadline but a safety net.
 */

import assert from "node:assert/strict";
import { SEM } from "../../ffi/constants.ts";
import { semctl, semget } from "../../ffi/sem.ts";
import { Segment, ShmError } from "../../mod.ts";
import { SEMAPHORE } from "../../src/mailbox/descriptor.ts";
import type { Peer } from "../support/peer.ts";

const POLL_MS = 2;
const SAFETY_MS = 30_000;

/** Resolves when `condition` holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const giveUp = performance.now() + SAFETY_MS;
  while (!condition()) {
    assert(performance.now() < giveUp, `waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The value of a mailbox's semaphore; 0 where there is no set. */
export function semaphore(key: number, name: keyof typeof SEMAPHORE): number {
  return Math.max(0, semctl(semget(key, 0, 0), SEMAPHORE[name], SEM.GETVAL));
}

/** How many wait for a mailbox's claim at this moment. */
export function waitersFor(key: number, name: keyof typeof SEMAPHORE): number {
  return Math.max(0, semctl(semget(key, 0, 0), SEMAPHORE[name], SEM.GETZCNT));
}

/** Whether a message is in the slot. Attaches for that moment. */
export function messageThere(key: number): boolean {
  try {
    using segment = Segment.open(key, { readOnly: true });
    return segment.read(0, 1)[0] !== 0;
  } catch (error) {
    if (error instanceof ShmError && error.code === "ENOENT") return false;
    throw error;
  }
}

/** Stops a process, and resolves when it stands: the signal alone does not say so. Needs `ps`. */
export async function stop(peer: Peer): Promise<void> {
  peer.kill("SIGSTOP");
  await until("the process stands still", () => {
    const { stdout } = new Deno.Command("ps", { args: ["-o", "stat=", "-p", `${peer.pid}`] })
      .outputSync();
    return new TextDecoder().decode(stdout).startsWith("T");
  });
}

/** Kills a process at once, and resolves when it is gone and the kernel has cleaned up after it. */
export async function destroy(peer: Peer): Promise<void> {
  peer.kill("SIGKILL");
  const { code, signal, stderr } = await peer.ended();
  assert.equal(signal, "SIGKILL", `it ended before, with ${code}: ${stderr}`);
}
