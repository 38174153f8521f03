/**
 * The C side under ThreadSanitizer and AddressSanitizer, with threads as peers: `stress.c`. And under
 * nothing but itself with slices that never end, which finds a wake that is lost. Each is then shown a
 * header in which the protocol is broken, and must find it. `deno task sanitize` runs only this.
 */

import assert from "node:assert/strict";
import { findSegment, findSemaphoreSet } from "../../src/sysv/mod.ts";
import { removeSegment, removeSemaphoreSet } from "../../mod.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { missing, testWith } from "../support/needs.ts";
import { type Ended, freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

/** How `stress.c` is built, and what it then exits with when it has found something. */
const BUILDS = {
  thread: ["-fsanitize=thread"],
  address: ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
  plain: [],
} as const;
type Build = keyof typeof BUILDS;

/** Longer than any timeout: a peer that is not woken does not wake. */
const ENDLESS_SLICE = "-DSHM_SLICE_MS=600000";
/** Seconds without any progress that are no accident: many where nothing is to be found. */
const PATIENCE = { whole: 40, broken: 3 } as const;
/** What a sanitizer reports, and what the program itself does. */
const EXIT = { wrong: 1, stuck: 3, race: 66 } as const;

interface Run {
  /** Changes of the header, each of which must be possible exactly once. */
  readonly changes?: readonly (readonly [from: string, to: string])[];
  readonly messages: number;
  readonly patience: number;
}

/** Builds `stress.c` with a header that may be changed, and runs it to its end. */
async function stress(build: Build, { changes = [], messages, patience }: Run): Promise<Ended> {
  using folder = new TestFolder();
  let header = Deno.readTextFileSync(`${PROJECT}c/shm_channel.h`);
  for (const [from, to] of changes) {
    assert.equal(header.split(from).length, 2, `not once in the header: ${from}`);
    header = header.replace(from, () => to);
  }
  folder.file("shm_channel.h", header);
  for (const name of ["shm_channel_layout.h", "shm_headed.h", "shm_membership.h", "shm_sync.h"]) {
    folder.file(name, Deno.readTextFileSync(`${PROJECT}c/${name}`));
  }
  const program = folder.compile("gcc", "stress", [
    ...["-std=gnu11", "-O1", "-g1", "-fno-omit-frame-pointer", "-pthread", ENDLESS_SLICE],
    ...BUILDS[build],
    `-I${folder.path}`,
    `${PROJECT}tests/channel/stress.c`,
  ]);
  const key = freshKey();
  try {
    const seed = crypto.getRandomValues(new Uint32Array(1))[0]!;
    // The first race is enough: each takes seconds to tell of
    const options = { TSAN_OPTIONS: "halt_on_error=1" };
    await using peer = Peer.start(program, [key, seed, messages, patience].map(String), options);
    return await peer.ended();
  } finally {
    removeAll(key);
  }
}

/** What a sanitizer stopped in the middle left behind. */
function removeAll(key: number): void {
  const [segment, set] = [findSegment(key), findSemaphoreSet(key)];
  if (segment !== undefined) removeSegment(segment);
  if (set !== undefined) removeSemaphoreSet(set);
}

const NEEDS = { tools: ["gcc"], files: true } as const;

/** Why programs of a build cannot run here: the compiler or the kernel may not let them. */
function unusable(build: Build): string | undefined {
  using folder = new TestFolder();
  try {
    const source = folder.file("nothing.c", "int main(void) { return 0; }");
    const program = folder.compile("gcc", "nothing", [...BUILDS[build], source]);
    const { success } = new Deno.Command(program, { stdout: "null", stderr: "null" }).outputSync();
    return success ? undefined : `what gcc ${BUILDS[build][0]} makes does not run here`;
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
    return `no gcc ${BUILDS[build][0]} on this machine`;
  }
}

const reasons = new Map<Build, string | undefined>();

function sanitizerTest(build: Build, name: string, body: () => Promise<void>): void {
  if (!reasons.has(build)) {
    reasons.set(build, missing(NEEDS) === undefined ? unusable(build) : undefined);
  }
  const reason = reasons.get(build);
  if (reason === undefined) testWith(NEEDS, name, body);
  else Deno.test({ name: `${name} [${reason}]`, ignore: true, fn: body });
}

const MESSAGES: Readonly<Record<Build, number>> = {
  thread: 20_000,
  address: 30_000,
  plain: 60_000,
};

for (
  const [build, finds] of Object.entries({
    thread: "ThreadSanitizer finds no race",
    address: "AddressSanitizer and UndefinedBehaviorSanitizer find nothing",
    plain: "no wake is lost, no message either",
  }) as [Build, string][]
) {
  sanitizerTest(build, `threads as peers: ${finds}`, async () => {
    const end = await stress(build, { messages: MESSAGES[build], patience: PATIENCE.whole });
    assert.deepEqual([end.code, end.stderr], [0, ""], end.stdout);
    // It was full and it was empty, or nothing was tried
    const waits = [...end.stdout.matchAll(/ (\d+) waits for room, (\d+) for messages/g)];
    assert.equal(waits.length, 4);
    for (const [line, room, messages] of waits) {
      assert(Number(room) > 99 && Number(messages) > 9, line);
    }
  });
}

/** The protocol broken in one place: what must be found, and by which build. */
interface Fault {
  readonly name: string;
  readonly build: Build;
  readonly changes: readonly (readonly [from: string, to: string])[];
  readonly exit: number;
  readonly says: RegExp;
}

const RACE = { build: "thread", exit: EXIT.race, says: /data race/ } as const;
const STUCK = { build: "plain", exit: EXIT.stuck, says: /stuck after \d+ steps/ } as const;
/** Makes the window wide that the order of two steps leaves open. */
const MOMENT = "{ const struct timespec moment = {0, 1000}; nanosleep(&moment, NULL); }";
const PRODUCER_SLEEPS = "__atomic_store_n(&own->asleep, 1U, __ATOMIC_SEQ_CST);";
const PRODUCER_LOOKS = `${PRODUCER_SLEEPS}
    status = shmci_look_for_room(producer, need);`;
const CONSUMER_SLEEPS = "__atomic_store_n(consumer->asleep, 1U, __ATOMIC_SEQ_CST);";
const CONSUMER_LOOKS = `${CONSUMER_SLEEPS}
    status = shmci_look_at_tails(consumer);`;

const FAULTS: readonly Fault[] = [
  {
    ...RACE,
    name: "a tail that does not release (SYNC tail)",
    changes: [[
      "(&own->tail, producer->tail, __ATOMIC_SEQ_CST)",
      "(&own->tail, producer->tail, 0)",
    ]],
  },
  {
    ...RACE,
    name: "a head that does not release (SYNC head)",
    changes: [[
      "(&words->consumer.head, reader->head, __ATOMIC_SEQ_CST)",
      "(&words->consumer.head, reader->head, 0)",
    ]],
  },
  {
    ...RACE,
    name: "a lane taken without its last owner's work (SYNC role)",
    changes: [["__atomic_load_n(&words->producer.closed, __ATOMIC_ACQUIRE);", ""]],
  },
  {
    ...RACE,
    name: "a role taken without the last consumer's work (SYNC role)",
    changes: [["__atomic_load_n(&control->consumer.asleep, __ATOMIC_ACQUIRE);", ""]],
  },
  {
    ...STUCK,
    name: "a producer that looks for room before it says that it sleeps (SYNC asleep)",
    changes: [[
      PRODUCER_LOOKS,
      `status = shmci_look_for_room(producer, need); ${MOMENT} ${PRODUCER_SLEEPS}`,
    ]],
  },
  {
    ...STUCK,
    name: "a consumer that looks for messages before it says that it sleeps (SYNC asleep)",
    changes: [[
      CONSUMER_LOOKS,
      `status = shmci_look_at_tails(consumer); ${MOMENT} ${CONSUMER_SLEEPS}`,
    ]],
  },
  {
    build: "plain",
    name: "a record that wraps instead of padding",
    changes: [["return size <= to_end ? size : to_end + size;", "return (void)to_end, size;"]],
    exit: EXIT.wrong,
    says: /stress: .*(message|the length of a record)/,
  },
  {
    build: "address",
    name: "a consumer with room for one lane only",
    changes: [["readers[SHM_CHANNEL_LANES_MAX];", "readers[1];"]],
    exit: EXIT.wrong,
    says: /index 1 out of bounds|AddressSanitizer/,
  },
];

for (const { name, build, changes, exit, says } of FAULTS) {
  sanitizerTest(build, `found: ${name}`, async () => {
    const end = await stress(build, { changes, messages: 20_000, patience: PATIENCE.broken });
    assert.deepEqual([end.code, says.test(end.stderr)], [exit, true], end.stderr);
  });
}
