/**
 * Builds the crash harnesses (`channel_harness.c`, `fan_out_harness.c`) and tells people what they found, for
 * their tests and their long run.
 */

import assert from "node:assert/strict";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";
import { seed as chosenSeed } from "./random.ts";

/** Kills of one language's peers; the stopped ones were killed while stopped. */
export interface Kills {
  readonly producers: number;
  readonly consumers: number;
  readonly stopped_producers: number;
  readonly stopped_consumers: number;
}

/** How often the faults of whole rounds occurred. */
export interface Faults {
  /** Rounds with a process that writes over payloads, and messages it met before they were received. */
  readonly rewriting: number;
  readonly rewritten: number;
  /** Rounds in which users share the object, and peers of others than the harness's. */
  readonly users: number;
  readonly other_users: number;
  /** Removals refused, and peers that left last and could not remove the object. */
  readonly refused: number;
  readonly not_ours: number;
  /** What was removed under the peers, and peers that ended for that. */
  readonly removed_sets: number;
  readonly removed_segments: number;
  readonly removed_both: number;
  readonly eidrm_c: number;
  readonly eidrm_ts: number;
  /** Peers stopped while they held the entry lock, and times that others waited for it as long as asked. */
  readonly lock_holders_c: number;
  readonly lock_holders_ts: number;
  readonly timeouts: number;
}

/** Such a fault by its number. */
export const FAULT = { REWRITING: 1, USERS: 2, REMOVING: 3, LOCK_HOLDERS: 4 } as const;

/** What the harness says at the end of a run without a violation. */
export interface Summary {
  readonly seed: number;
  readonly rounds: number;
  readonly kills_c: number;
  readonly kills_ts: number;
  readonly c: Kills;
  readonly ts: Kills;
  /** How far the killed ones were. */
  readonly while: Readonly<Record<string, number>>;
  /** How often a peer was stopped. */
  readonly stops: number;
  readonly faults: Faults;
  readonly ended_c: number;
  readonly ended_ts: number;
  readonly messages: number;
  /** Of the channel: messages seen again after a consumer that frees afterwards was killed. */
  readonly repeats?: number;
  /** Of the channel: messages missing after a consumer that frees before was killed with one in hand. */
  readonly lost_in_hand?: number;
  /** Of the channel: how often such a consumer was killed while it may have had one in hand. */
  readonly in_hand?: number;
  /** Of the others: rounds of each protocol, and messages that subscribers of a Topic missed. */
  readonly latest_rounds?: number;
  readonly topic_rounds?: number;
  readonly missed?: number;
  readonly longest_stall_ms: number;
  readonly waits_across_a_death: number;
  readonly after_death_p50_ms: number;
  readonly after_death_p99_ms: number;
  readonly after_death_max_ms: number;
  readonly own_lateness_p99_ms: number;
  readonly own_lateness_max_ms: number;
  readonly longest_reaping_ms: number;
  readonly seconds: number;
}

/** What a run is to do. */
export interface Run {
  readonly seed: number;
  readonly killsC: number;
  readonly killsTs: number;
  /** For how long a peer that can go on may stand still. */
  readonly stallMs: number;
  readonly key: number;
  /** One of {@linkcode FAULT} for all rounds; else it is drawn for each. */
  readonly fault?: number | undefined;
  readonly progress?: boolean;
}

/** The harness of the channel, and that of Latest and Topic. */
export type Harness = "channel" | "fan_out";

/** Compiles a harness into `folder` and gives its path. */
export function compileHarness(folder: TestFolder, harness: Harness): string {
  const source = new URL(`${harness}_harness.c`, import.meta.url).pathname;
  return folder.compile("gcc", `${harness}_harness`, [
    ...["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", `-I${PROJECT}c`, source],
  ]);
}

/** The harness's arguments for a run. */
export function argumentsOf(
  harness: Harness,
  { seed, killsC, killsTs, stallMs, key, fault, progress }: Run,
): string[] {
  const peer = new URL(`${harness}_peer.ts`, import.meta.url).pathname;
  return [
    ...["--seed", `${seed}`, "--key", `${key}`, "--stall-ms", `${stallMs}`],
    ...["--kills-c", `${killsC}`, "--kills-ts", `${killsTs}`],
    ...["--deno", Deno.execPath(), "--peer", peer],
    ...(fault === undefined ? [] : ["--fault", `${fault}`]),
    ...(progress === true ? ["--progress"] : []),
  ];
}

/** The summary, which is the last line the harness prints. */
export function summaryOf(stdout: string): Summary {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
}

/** A safety net only: how fast it is, the long run asks. */
const STALL_MS = 15_000;

/**
 * A short run, for tests. SYSV_SHM_TEST_SEED (with --allow-env) repeats the decisions of the run that printed
 * it; the machine's timing adds its own.
 */
export async function shortRun(
  harness: Harness,
  wanted: Pick<Run, "killsC" | "killsTs" | "fault">,
): Promise<Summary> {
  using folder = new TestFolder();
  const seed = chosenSeed();
  const args = argumentsOf(harness, { ...wanted, seed, stallMs: STALL_MS, key: freshKey() });
  await using running = Peer.start(compileHarness(folder, harness), args);
  const { code, stdout, stderr } = await running.ended();
  assert.deepEqual([code, stderr], [0, ""], `with SYSV_SHM_TEST_SEED=${seed}`);
  return summaryOf(stdout);
}

function line(name: string, kills: Kills): string {
  return `${
    name.padEnd(10)
  } producers ${kills.producers}, consumers ${kills.consumers}; while stopped: ` +
    `producers ${kills.stopped_producers}, consumers ${kills.stopped_consumers}`;
}

function describeFaults(faults: Faults): string[] {
  return [
    `payloads written over under the reader: ${faults.rewritten} messages, in ${faults.rewriting} rounds`,
    `other users: ${faults.other_users} peers in ${faults.users} rounds; removals refused to them: ` +
    `${faults.refused}, and ${faults.not_ours} when leaving last`,
    `removed under the peers: ${faults.removed_sets} sets, ${faults.removed_segments} segments, ` +
    `${faults.removed_both} times both; peers that ended for it: ${faults.eidrm_c} C, ` +
    `${faults.eidrm_ts} TypeScript`,
    `stopped with the entry lock: ${faults.lock_holders_c} C, ${faults.lock_holders_ts} TypeScript; ` +
    `others waited as long as they wanted ${faults.timeouts} times`,
  ];
}

function describeMessages(summary: Summary): string[] {
  const { messages, repeats, lost_in_hand, in_hand, latest_rounds, topic_rounds, missed } = summary;
  if (repeats === undefined) {
    return [
      `${messages} values and messages checked in ${latest_rounds} rounds of Latest and ${topic_rounds} of ` +
      `Topic: none torn, none older than one before, ${missed} missed and all of them counted`,
    ];
  }
  return [
    `${messages} messages checked: none corrupt, none out of order, none lost that was published`,
    `at least once: ${repeats} repeated, all of them seen and not yet freed`,
    `at most once: ${lost_in_hand} lost, all of them in hand (${in_hand} consumers were ` +
    "killed with one perhaps in hand)",
  ];
}

/** The summary for people. */
export function describe(summary: Summary): string {
  const states = Object.entries(summary.while).map(([state, kills]) => `${state} ${kills}`);
  return [
    `${summary.kills_c} C and ${summary.kills_ts} TypeScript peers killed in ${summary.rounds} rounds, ` +
    `${summary.seconds} s, seed ${summary.seed}`,
    line("C", summary.c),
    line("TypeScript", summary.ts),
    `killed while ${states.join(", ")}`,
    `stopped ${summary.stops} times; ended by themselves: ${summary.ended_c} C, ${summary.ended_ts} ` +
    "TypeScript",
    ...describeFaults(summary.faults),
    ...describeMessages(summary),
    `longest stall of a peer that could go on: ${summary.longest_stall_ms} ms`,
    `from a death to the next step of one that waited (${summary.waits_across_a_death} times): median ` +
    `${summary.after_death_p50_ms} ms, p99 ${summary.after_death_p99_ms} ms, most ` +
    `${summary.after_death_max_ms} ms`,
    `the harness itself: woken late by ${summary.own_lateness_p99_ms} ms (p99), ` +
    `${summary.own_lateness_max_ms} ms (most); from SIGKILL to reaped at most ` +
    `${summary.longest_reaping_ms} ms`,
  ].join("\n");
}
