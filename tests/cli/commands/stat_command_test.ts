/** `stat` about segments and semaphore sets that others made, beside what ipcs(1) says of them. */

import assert from "node:assert/strict";
import { SemaphoreSet } from "../../../mod.ts";
import { ForeignObject, kernelRow, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { type Ended, freshKey, Peer } from "../../support/peer.ts";
import { printed, runHere, runWithProc, until } from "../command_line.ts";
import { runAsNobody } from "../segment_bytes.ts";

guardAgainstLeaks();

const ROOT = { tools: ["deno"], root: true };

const FOREIGN = { tools: ["deno", "ipcmk", "ipcrm", "ipcs", "perl"] };

/** The labelled lines that were printed, by label; lines of the same label together. */
function labelled({ code, stdout }: Ended): Readonly<Record<string, string>> {
  assert.equal(code, 0);
  const lines: Record<string, string> = {};
  for (const [, label, text] of stdout.matchAll(/^(\S+(?: \S+)*) {2,}(.*)$/gm)) {
    lines[label!] = label! in lines ? `${lines[label!]}\n${text}` : text!;
  }
  return lines;
}

/** `name=figure` as ipcs -i prints it. */
function figure(text: string, name: string): string | undefined {
  return new RegExp(`\\b${name}=(\\S+)`).exec(text)?.[1];
}

testWith(FOREIGN, "stat: the figures of ipcs -i, with names and words", async () => {
  const key = freshKey();
  await using held = await perlSegment({ key, size: 2 * 4096 + 1, mode: 0o640, times: 2 });
  const { id } = held;
  const theirs = output("ipcs", "-m", "-i", `${id}`);
  const ended = await runHere("stat", `id:${id}`);
  const lines = labelled(ended);
  const hex = `0x${key.toString(16)}`;
  assert.equal(lines.segment, `${id}`);
  assert.equal(lines.key, `${key} (${hex})`);
  assert.match(lines.owner!, new RegExp(`^\\S+ \\(${figure(theirs, "uid")}\\), group \\S+ \\(`));
  assert.match(lines.creator!, new RegExp(`^\\S+ \\(${figure(theirs, "cuid")}\\), group`));
  assert.equal(lines.mode, `${figure(theirs, "mode")} rw-r-----`);
  assert.match(lines.size!, /^8193 bytes \(8K\), \d+ pages of \d+$/);
  assert.equal(lines.attached, `${figure(theirs, "nattch")} times`);
  assert.equal(lines.status, "-");
  assert.match(lines["last attach"]!, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+ (s|min) ago\)$/);
  assert.equal(lines["last detach"], "never");
  assert.equal(lines["created by"], `pid ${figure(theirs, "cpid")} (alive)`);
  assert.equal(lines["last used by"], `pid ${figure(theirs, "lpid")} (alive)`);
  assert.match(ended.stderr, /^note: .* -A .*\n$/);
  // The same by every other name
  for (const args of [[hex], [`${key}`], ["--id", `${id}`]]) {
    assert.equal(labelled(await runHere("stat", ...args)).segment, `${id}`);
  }
});

testWith(FOREIGN, "stat with -A: the attached processes, and what is in memory", async () => {
  await using held = await perlSegment({ key: freshKey(), size: 5000, times: 2 });
  const { perl, id } = held;
  output("ipcrm", "-m", `${id}`);
  const ended = await runWithProc("stat", `id:${id}`);
  const lines = labelled(ended);
  assert.equal(ended.stderr, "");
  assert.equal(lines["attached by"], `pid ${perl.pid} perl, 2 times`);
  assert.match(lines["in memory"]!, new RegExp(`^${kernelRow(id).rss} byte`));
  assert.match(lines["swapped out"]!, new RegExp(`^${kernelRow(id).swap} byte`));
  assert.equal(lines.status, "marked for removal: goes with the last detach");
  assert.match(lines.key!, /^none: /);
  const facts = JSON.parse((await runWithProc("stat", `id:${id}`, "--json")).stdout);
  assert.deepEqual(facts.attachers, [{ pid: perl.pid, command: "perl", times: 2 }]);
});

testWith(FOREIGN, "stat --json: what ls has, and more", async () => {
  using made = ForeignObject.segment(4097);
  const json = await printed("stat", `id:${made.id}`, "--json");
  const { pages, pageSize, creatorAlive, attachers, ...rest } = JSON.parse(json);
  assert.deepEqual([pages, creatorAlive, attachers], [Math.ceil(4097 / pageSize), false, null]);
  const listed = JSON.parse(await printed("ls", "--json", `--key=${rest.key}`));
  assert.deepEqual([rest], listed);
  const lines = labelled(await runHere("stat", `id:${made.id}`));
  assert.match(lines["created by"]!, /^pid \d+ \(gone\)$/);
  assert.match(lines.status!, /^(orphan|idle): /);
  assert.deepEqual([lines.attached, lines["last used by"]], ["not at all", "no process yet"]);
  assert.match(lines["idle since"]!, /\(\d+ (s|min) ago\)$/);
  assert.match(
    lines["may be needed"]!,
    /^(no sign of it can be seen|its owner also has .*)$/,
  );
});

testWith(FOREIGN, "stat --semaphores: what ipcs -i says, and who waits", async () => {
  using made = ForeignObject.semaphores(3, "0604");
  const set = SemaphoreSet.attach(made.id);
  set.setValues([0, 5, 1]);
  await using waiter = Peer.start("perl", [
    "-e",
    `semop(${made.id}, pack("s3", 0, -1, 0)) or die $!`,
  ]);
  await until(() => set.waitingForIncrease(0) === 1);
  const theirs = output("ipcs", "-s", "-i", `${made.id}`);
  const ended = await runHere("stat", "--semaphores", `id:${made.id}`);
  const lines = labelled(ended);
  assert.deepEqual([lines.set, lines.semaphores, ended.stderr], [`${made.id}`, "3", ""]);
  assert.match(theirs, /mode=0604/);
  assert.equal(lines.mode, "0604 rw----r--");
  const figures = (text: string): number[][] =>
    [...text.matchAll(/^ *(\d+) +(\d+) +(\d+) +(\d+) +(\d+) *$/gm)].map((row) =>
      row.slice(1).map(Number)
    );
  assert.equal(figures(theirs).length, 3);
  assert.deepEqual(figures(ended.stdout), figures(theirs));
  const { semaphores, values } = JSON.parse(await printed("stat", "-s", `id:${made.id}`, "--json"));
  assert.deepEqual(values, [0, 5, 1]);
  assert.deepEqual(semaphores[0], {
    index: 0,
    value: 0,
    waitingForIncrease: 1,
    waitingForZero: 0,
    lastPid: figures(theirs)[0]![4],
  });
  set.setValue(0, 1);
  assert.equal((await waiter.ended()).code, 0);
});

testWith(ROOT, "stat --semaphores: all but values that this user may not read", async () => {
  const set = SemaphoreSet.create({ count: 1 });
  try {
    const ended = await runAsNobody("stat", "-s", `id:${set.id}`);
    assert.equal(labelled(ended).semaphores, "1");
    assert.match(ended.stderr, /^note: its mode gives this user no right to read the values\n$/);
  } finally {
    set.remove();
  }
});

const ABSENT: readonly (readonly [string[], RegExp])[] = [
  [["id:2147483646"], /^error: no segment has id 2147483646: `[^`]+ ls` lists all/],
  [["--id=2147483646", "--json"], /^error: no segment has id 2147483646/],
  [["-s", "id:2147483646"], /^error: no semaphore set has id .*`[^`]+ ls --semaphores` lists/],
  [[`0x${freshKey().toString(16)}`], /^error: no segment has key \d+ \(0x5e\w+\): /],
  [["/no/such/file:1"], /^error: .*\/no\/such\/file.*ENOENT/],
];

Deno.test("stat: what is not there is one line, and 1", async () => {
  for (const [args, message] of ABSENT) {
    const { code, stdout, stderr } = await runHere("stat", ...args);
    assert.match(stderr, message);
    assert.deepEqual([code, stdout, stderr.split("\n").length], [1, "", 2], args.join(" "));
  }
});
