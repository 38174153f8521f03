/**
 * Runs the crash harness of the channel (`channel_harness.c`, which says what it does and checks). For
 * the test of a few hundred kills and for the long run.
 */

import assert from "node:assert/strict";
import { PROJECT, type TestFolder } from "../support/peer.ts";

/** Killed peers of one language: working ones, and such that were stopped before. */
export interface Kills {
  readonly producers: number;
  readonly consumers: number;
  readonly stopped_producers: number;
  readonly stopped_consumers: number;
}

/** What a run says of itself, as the harness prints it; times in milliseconds. */
export interface KillsSummary {
  readonly seed: number;
  readonly rounds: number;
  readonly kills_c: number;
  readonly kills_ts: number;
  readonly c: Kills;
  readonly ts: Kills;
  /** How far the killed ones were. */
  readonly while: Readonly<Record<string, number>>;
  readonly stops: number;
  readonly messages: number;
  /** Messages seen again, of consumers that receive at least once. */
  readonly repeats: number;
  /** Messages nobody saw, of consumers that receive at most once; never more than `in_hand`. */
  readonly lost_in_hand: number;
  readonly in_hand: number;
  readonly longest_stall_ms: number;
  readonly after_death_p99_ms: number;
  readonly after_death_max_ms: number;
  readonly own_lateness_max_ms: number;
  readonly seconds: number;
}

/** What is to be done. */
export interface KillsPlan {
  readonly seed: number;
  readonly c: number;
  readonly typescript: number;
  /** Who could go on and does not for so long is stuck. */
  readonly stallMs: number;
  /** Told a line now and then. */
  readonly progress?: (line: string) => void;
}

/** Kills so many peers. Fails with what the harness says at the first violation. */
export async function killPeers(
  folder: TestFolder,
  { seed, c, typescript, stallMs, progress }: KillsPlan,
): Promise<KillsSummary> {
  const harness = folder.compile("gcc", "channel_harness", [
    ...["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"],
    `-I${PROJECT}c`,
    `${PROJECT}tests/crash/channel_harness.c`,
  ]);
  const child = new Deno.Command(harness, {
    args: [
      ...["--seed", `${seed}`, "--kills-c", `${c}`, "--kills-ts", `${typescript}`],
      ...["--deno", Deno.execPath(), "--peer", `${PROJECT}tests/crash/channel_peer.ts`],
      ...["--stall-ms", `${stallMs}`],
      ...(progress === undefined ? [] : ["--progress"]),
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said = new Response(child.stderr).text();
  let printed = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    printed += text;
    const lines = printed.split("\n");
    for (const line of lines.slice(0, -1)) if (!line.startsWith("{")) progress?.(line);
    printed = lines.findLast((line) => line.startsWith("{")) ?? lines.at(-1)!;
  }
  const { code, signal } = await child.status;
  assert.deepEqual([code, signal], [0, null], await said);
  return JSON.parse(printed);
}
