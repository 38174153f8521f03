/** The example ntp_clock beside chronyd, which does not touch the system's clock here (`-x`). */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { findSegment } from "../../src/sysv/mod.ts";
import { removeSegment } from "../../mod.ts";
import { output } from "../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { freshKey, Peer, PROJECT, TestFolder } from "../support/peer.ts";

guardAgainstLeaks();

const NEEDS = { tools: ["deno", "chronyd", "chronyc"], files: true } as const;
const FIRST_KEY = 0x4e545030;

/** chronyd with one reference clock, as any user: no port, no privileges, and a socket for chronyc. */
function chronyd(folder: TestFolder, unit: number): Peer {
  const path = folder.path;
  const configuration = folder.file(
    "chrony.conf",
    // `filter 1`: each sample counts as it comes
    `refclock SHM ${unit} refid DENO poll 0 dpoll -2 filter 1 noselect
    bindcmdaddress ${path}/socket\npidfile ${path}/pid\nport 0\ncmdport 0\n`,
  );
  return Peer.start("chronyd", [
    "-x",
    "-U",
    "-d",
    "-u",
    output("id", "-un").trim(),
    "-f",
    configuration,
  ]);
}

/** Waits until chronyd has reached the clock, and returns the clock's offset in seconds. */
async function measuredOffset(folder: TestFolder, daemon: Peer): Promise<number> {
  for (;;) {
    await using asked = Peer.start("chronyc", ["-h", `${folder.path}/socket`, "-c", "sources"]);
    const [, , name, , , reach, , , offset] = (await asked.ended()).stdout.split(",");
    if (Number(reach) > 0) {
      assert.equal(name, "DENO");
      return Number(offset);
    }
    assert.doesNotMatch(daemon.printed.stderr, /exiting|Fatal|Disabled command socket/);
    await delay(50);
  }
}

async function clock(unit: number, ahead: number): Promise<Peer> {
  const program = `${PROJECT}examples/ntp_clock.ts`;
  const clock = Peer.start(Deno.execPath(), ["run", "--allow-ffi", program, `${unit}`, `${ahead}`]);
  assert.equal(await clock.line(), `SHM unit ${unit} has the time, until Ctrl-C`);
  return clock;
}

async function stopped(clock: Peer): Promise<void> {
  clock.kill("SIGINT");
  const { code, stderr } = await clock.ended();
  assert.deepEqual([code, stderr], [0, ""]);
}

testWith(NEEDS, "ntp_clock: chronyd measures what the clock is ahead", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  await using ahead = await clock(key - FIRST_KEY, 0.25);
  {
    await using daemon = chronyd(folder, key - FIRST_KEY);
    // As chronyc counts: negative is a local clock that is slow
    assert.equal(await measuredOffset(folder, daemon), -0.25);
  }
  await stopped(ahead);
  assert.equal(findSegment(key), undefined);
});

testWith(NEEDS, "ntp_clock: chronyd's own segment stays when the clock ends", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  await using daemon = chronyd(folder, key - FIRST_KEY);
  while (findSegment(key) === undefined) await delay(10);
  await using behind = await clock(key - FIRST_KEY, -1.5);
  assert.equal(await measuredOffset(folder, daemon), 1.5);
  await stopped(behind);
  const id = findSegment(key);
  assert(id !== undefined);
  removeSegment(id);
});

testWith(NEEDS, "ntp_clock: its own segment stays while chronyd has it attached", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  await using first = await clock(key - FIRST_KEY, 0);
  await using daemon = chronyd(folder, key - FIRST_KEY);
  assert.equal(await measuredOffset(folder, daemon), 0);
  await stopped(first);
  const id = findSegment(key);
  // The next clock is heard, without a restart of chronyd
  await using next = await clock(key - FIRST_KEY, 0.5);
  while (await measuredOffset(folder, daemon) !== -0.5) await delay(50);
  await stopped(next);
  removeSegment(id!);
});
