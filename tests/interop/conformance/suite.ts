/** The conformance suite: every case of every protocol, and which are played together. */

import { CHANNEL_CASES } from "./channel_cases.ts";
import { LATEST_CASES } from "./latest_cases.ts";
import { MAILBOX_CASES } from "./mailbox_cases.ts";
import type { Case } from "./scene.ts";
import { TOPIC_CASES } from "./topic_cases.ts";

/** The cases by protocol: the rows of the matrix. */
export const SUITE: Readonly<Record<string, readonly Case[]>> = {
  mailbox: MAILBOX_CASES,
  channel: CHANNEL_CASES,
  Latest: LATEST_CASES,
  Topic: TOPIC_CASES,
};

/** Cases that are played together: one, or all that kill the process in the same place. */
export interface Group {
  readonly name: string;
  readonly cases: readonly Case[];
}

/** All cases in groups. */
export const GROUPS: readonly Group[] = [
  ...Object.entries(SUITE).flatMap(([protocol, cases]) =>
    cases.filter(({ kills }) => kills === undefined)
      .map((each) => ({ name: `${protocol}: ${each.name}`, cases: [each] }))
  ),
  ...(["sender", "receiver"] as const).map((place) => ({
    name: `all protocols: the ${place} is killed`,
    // The mailbox last: its client that is killed waits, and its process does nothing else until then
    cases: Object.values(SUITE).flat().filter(({ kills }) => kills === place).reverse(),
  })),
];
