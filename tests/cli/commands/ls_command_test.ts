/** `ls` about segments and semaphore sets of other programs, beside what ipcs(1) says of them. */

import assert from "node:assert/strict";
import { removeSemaphoreSet, Segment, SemaphoreSet } from "../../../mod.ts";
import { setSegmentPermissions } from "../../../src/sysv/mod.ts";
import {
  defaultSegmentColumns,
  FactsReader,
  type SegmentFacts,
} from "../../../src/cli/objects/segment_facts.ts";
import {
  DEFAULT_SEMAPHORE_COLUMNS,
  type SemaphoreSetFacts,
  semaphoreSetFacts,
} from "../../../src/cli/objects/semaphore_facts.ts";
import { tableLines } from "../../../src/cli/text/table.ts";
import { ForeignObject, kernelRow, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NO_PID, segmentStat } from "../../support/objects.ts";
import { NOBODY } from "../../support/other_user.ts";
import { IN_NAMESPACE } from "../../support/own_namespace.ts";
import { freshKey, TestFolder } from "../../support/peer.ts";
import {
  appeared,
  cliInShellOnTerminal,
  cliOnTerminal,
  ON_TERMINAL,
} from "../../support/terminal.ts";
import { inShellOfNamespace, printed, runHere, runWithProc } from "../command_line.ts";
import { runAsNobody } from "../segment_bytes.ts";

guardAgainstLeaks();

const ROOT = { tools: ["deno"], root: true };
const FOREIGN = { tools: ["deno", "ipcmk", "ipcrm", "ipcs", "perl"] };
const LOCKING = { ...FOREIGN, root: true };
const NAMESPACE = { ...IN_NAMESPACE, tools: [...IN_NAMESPACE.tools!, "ipcmk", "perl"] };
const TERMINAL = {
  ...ON_TERMINAL,
  namespace: true,
  tools: [...ON_TERMINAL.tools!, "ipcmk", "unshare"],
};

async function listed<Facts = SegmentFacts>(...args: readonly string[]): Promise<Facts[]> {
  return JSON.parse(await printed("ls", "--json", ...args));
}

testWith(FOREIGN, "ls --json: every figure is the kernel's", async () => {
  const key = freshKey() | 0x80000000;
  using made = ForeignObject.segment(100_001, "0640");
  await using held = await perlSegment({ key, size: 5000, mode: 0o604, times: 3 });
  const { id } = held;
  const all = await listed();
  for (const each of [made.id, id]) {
    const facts = all.find((one) => one.id === each)!;
    const row = kernelRow(each);
    const seconds = (iso: string | null): number => iso === null ? 0 : Date.parse(iso) / 1000;
    assert.deepEqual({
      key: facts.key,
      shmid: facts.id,
      perms: Number(facts.perms),
      size: facts.size,
      cpid: facts.cpid ?? 0,
      lpid: facts.lpid ?? 0,
      nattch: facts.nattch,
      uid: facts.uid,
      gid: facts.gid,
      cuid: facts.cuid,
      cgid: facts.cgid,
      atime: seconds(facts.atime),
      dtime: seconds(facts.dtime),
      ctime: seconds(facts.ctime),
      rss: row.rss,
      swap: row.swap,
    }, row);
    assert.equal(facts.mode, parseInt(facts.perms, 8));
  }
  const perls = all.find((one) => one.id === id)!;
  assert.deepEqual([perls.key, perls.nattch, perls.orphan], [key | 0, 3, false]);
  assert.deepEqual([perls.pids, perls.resident, perls.swapped], [null, null, null]);
  const idle = all.find((one) => one.id === made.id)!;
  assert.deepEqual(
    [idle.orphan, idle.use, idle.status, idle.creatorState, idle.lastUserState, idle.lpid],
    [false, "idle", "idle", "gone", null, null],
  );
  assert.match(idle.useReason!, /^its owner also has \d+ attached segments?/);
});

testWith(FOREIGN, "ls: the table says what ipcs -m says", async () => {
  using made = ForeignObject.segment(98_304, "0600");
  await using held = await perlSegment({ key: freshKey(), size: 77, mode: 0o644, times: 2 });
  const { perl, id } = held;
  output("ipcrm", "-m", `${id}`); // marked for removal: Perl holds it
  const lines = (await printed("ls", "--bytes")).trimEnd().split("\n");
  assert.match(lines[0]!, /^KEY +ID +OWNER +MODE +SIZE +ATT +STATUS +CREATED +CPID +LPID$/);
  const theirs = output("ipcs", "-m").split("\n").map((line) => line.trim().split(/\s+/));
  for (const each of [made.id, id]) {
    const [key, , owner, mode, size, attached, status, , , cpid, lpid] = lines
      .map((line) => line.trim().split(/\s+/)).find((cells) => cells[1] === `${each}`)!;
    const [, , ...expected] = theirs.find((cells) => cells[1] === `${each}`)!;
    const dest = each === id ? ["dest"] : [];
    assert.deepEqual([owner, mode!.slice(1), size, attached, ...dest], expected);
    assert.match(status!, each === id ? /^dest$/ : /^(orphan|idle)$/);
    if (each === id) {
      assert.deepEqual([key, cpid, lpid], ["0x00000000", `${perl.pid}`, `${perl.pid}`]);
    }
  }
  assert.match(
    await printed("ls"),
    new RegExp(` ${made.id} +\\w+\\+? +0600 +96K +0 (orphan|idle) `),
  );
});

testWith(LOCKING, "ls: a segment that is locked and marked for removal", async () => {
  await using held = await perlSegment({ key: freshKey(), size: 100 });
  const { id } = held;
  const SHM_LOCK = 11;
  output("perl", "-e", `shmctl(${id}, $_, 0) or die $! for ${SHM_LOCK}, 0`);
  const facts = (await listed()).find((each) => each.id === id)!;
  assert.deepEqual(
    [facts.status, facts.locked, facts.markedForRemoval, facts.key, facts.size],
    ["dest,locked", true, true, 0, 100],
  );
  const row = output("ipcs", "-m").split("\n").find((line) => line.split(/\s+/)[1] === `${id}`)!;
  assert.deepEqual(row.trim().split(/\s+/).slice(6), ["dest", "locked"]);
});

testWith(FOREIGN, "ls --key, --columns, --sort and --reverse", async () => {
  const key = freshKey();
  using small = ForeignObject.segment(1);
  using large = ForeignObject.segment(5_000_000);
  await using held = await perlSegment({ key, size: 300 });
  const { id } = held;
  const hex = `0x${key.toString(16)}`;
  assert.equal(
    await printed("ls", `--key=${hex}`, "--columns=id,size,mode"),
    tableOf(
      ["ID", "SIZE", "MODE"],
      [`${id}`, "300", "0600"],
    ),
  );
  assert.deepEqual(await listed(`--key=${key}`, "--columns=size,key,nattch"), [
    { size: 300, key, nattch: 1 },
  ]);
  const order = (facts: readonly SegmentFacts[]): number[] =>
    facts.map((each) => each.id).filter((each) => [small.id, large.id, id].includes(each));
  assert.deepEqual(order(await listed("--sort=size")), [small.id, id, large.id]);
  assert.deepEqual(order(await listed("--sort", "SIZE", "-r")), [large.id, id, small.id]);
});

/** Two lines as a table has them, numbers at the right but for the last column. */
function tableOf(titles: readonly string[], cells: readonly string[]): string {
  const widths = titles.map((title, i) => Math.max(title.length, cells[i]!.length));
  const line = (texts: readonly string[]): string =>
    texts.map((text, i) => i === 2 ? text : text.padStart(widths[i]!)).join(" ").trimEnd();
  return `${line(titles)}\n${line(cells)}\n`;
}

testWith(NAMESPACE, "ls --orphans: none while its owner has another one attached", async () => {
  const { stdout } = await inShellOfNamespace(`
    ipcmk -M 10 > /dev/null
    cli ls --orphans --columns id,status; cli ls --older-than 1h --columns id
    mkfifo end; perl -e 'use IPC::SysV qw(shmat); $| = 1; my $id = shmget(0, 10, 0600) // die $!;
      defined shmat($id, undef, 0) or die $!; print "attached\n"; open my $end, "<", "end"' > said &
    until grep -qs attached said; do sleep 0.05; done
    cli ls --orphans --columns id; cli ls --columns id,status
    : > end; wait; rm end said
  `);
  assert.equal(stdout, "ID STATUS\n 0 orphan\nID\nID\nID STATUS\n 0 idle\n 1 -\n");
});

testWith(ROOT, "ls --mine: what this user owns; without, also what others own", async () => {
  const segment = Segment.create({ size: 10, mode: 0 });
  segment.detach();
  try {
    const mine = async (): Promise<boolean> =>
      (await listed("--mine")).some(({ id }) => id === segment.id);
    assert(await mine());
    setSegmentPermissions(segment.id, { uid: NOBODY });
    assert(!await mine());
    const theirs: SegmentFacts[] = JSON.parse(
      (await runAsNobody("ls", "--mine", "--json")).stdout,
    );
    assert(theirs.some(({ id, uid, mode }) => id === segment.id && uid === NOBODY && mode === 0));
  } finally {
    segment.remove();
  }
});

Deno.test("ls: nothing to list is a heading, or [], and no failure", async () => {
  const key = `--key=${freshKey()}`;
  assert.match(await printed("ls", key), /^KEY +ID .*LPID\n$/);
  assert.equal(await printed("ls", key, "--json"), "[]\n");
  assert.match(await printed("ls", "-s", key), /^KEY +ID .*CREATED\n$/);
  assert.equal(await printed("ls", "-s", key, "--json"), "[]\n");
});

testWith(FOREIGN, "ls with -A: attached pids and memory; without: why not", async () => {
  const key = freshKey();
  await using held = await perlSegment({ key, size: 5000, times: 2 });
  const { perl, id } = held;
  const args = ["ls", `--key=${key}`];
  const [facts] = JSON.parse((await runWithProc(...args, "--json")).stdout);
  const { rss, swap } = kernelRow(id);
  assert.deepEqual([facts.pids, facts.resident, facts.swapped], [[perl.pid], rss, swap]);
  const columns = "--columns=id,pids,resident";
  const withProc = (await runWithProc(...args, columns)).stdout;
  assert.match(withProc, new RegExp(`^ *ID PIDS +RESIDENT\n *${id} ${perl.pid} +\\w+\n$`));

  const without = await runHere(...args, columns);
  assert.match(without.stdout, new RegExp(`^ *ID\n *${id}\n$`));
  assert.match(without.stderr, /^note: attached pids and resident sizes .* run with -A .*\n$/);
  assert.equal(without.code, 0);
  const sorted = await runHere(...args, "--sort=resident");
  assert.match(sorted.stderr, /^note: .* -A .*\n$/);
  const nothingLeft = await runHere(...args, "--columns=pids");
  assert.match(nothingLeft.stderr, /^error: attached pids .* -A .*\n$/);
  assert.deepEqual([nothingLeft.code, nothingLeft.stdout], [1, ""]);
  assert.deepEqual(await listed(`--key=${key}`, "--columns=pids"), [{ pids: null }]);
});

testWith(FOREIGN, "ls --semaphores: every figure is that of ipcs -s", async () => {
  using made = ForeignObject.semaphores(3, "0640");
  const set = SemaphoreSet.attach(made.id);
  set.setValues([7, 0, 32767]);
  const facts = (await listed<SemaphoreSetFacts>("--semaphores"))
    .find(({ id }) => id === made.id)!;
  const row = output("ipcs", "-s").split("\n").map((line) => line.split(/\s+/))
    .find((cells) => cells[1] === `${made.id}`)!;
  assert.deepEqual(
    [facts.keyHex, `${facts.id}`, facts.owner, facts.perms.slice(1), `${facts.count}`],
    row.slice(0, 5),
  );
  assert.deepEqual([facts.values, facts.otime], [[7, 0, 32767], null]);
  assert(Math.abs(Date.parse(facts.ctime!) - Date.now()) < 3600e3);
  const columns = ["--columns", "id,count,values"];
  const table = await printed("ls", "-s", `--key=${facts.keyHex}`, ...columns);
  assert.match(table, new RegExp(`^ *ID COUNT VALUES\n *${made.id} +3 7,0,32767\n$`));
  set.tryOp([{ semaphore: 0, add: -1 }]);
  const [after] = await listed<SemaphoreSetFacts>("-s", `--key=${facts.key}`);
  assert.deepEqual([after!.values, after!.otime === null], [[6, 0, 32767], false]);
});

testWith(ROOT, "ls --semaphores: values that this user may not read are unknown", async () => {
  const set = SemaphoreSet.create({ count: 2 });
  try {
    const all: SemaphoreSetFacts[] = JSON.parse((await runAsNobody("ls", "-s", "--json")).stdout);
    const { count, values } = all.find(({ id }) => id === set.id)!;
    assert.deepEqual([count, values], [2, null]);
  } finally {
    removeSemaphoreSet(set.id);
  }
});

testWith(
  TERMINAL,
  "ls on a terminal: an orphan stands out, JSON stays JSON, no prompt",
  async () => {
    using folder = new TestFolder();
    using made = ForeignObject.segment(10);
    const rowIn = (lines: readonly string[]): string | undefined =>
      lines.find((line) => new RegExp(` ${made.id} `).test(line));
    await using plain = cliOnTerminal(folder, "ls", "--columns=key,id,status,pids");
    const shown = appeared(await plain.ended());
    assert.match(shown.join("\n"), /^note: .* -A /m);
    assert.match(rowIn(shown)!, /^0x\w+ +\d+ (orphan|idle)$/); // NO_COLOR is set
    assert.doesNotMatch(shown.join(""), /\?/);
    // Where no other segment of this user is attached
    const alone =
      `unset NO_COLOR; exec unshare -i sh -c 'ipcmk -M 10 > /dev/null; exec "$@"' sh "$@"`;
    await using coloured = cliInShellOnTerminal(folder, alone, "ls");
    // deno-lint-ignore no-control-regex
    assert.match(appeared(await coloured.ended()).join("\n"), /\x1b\[31morphan\x1b\[39m/);
    await using json = cliOnTerminal(folder, "ls", "--json");
    const facts: SegmentFacts[] = JSON.parse(appeared(await json.ended()).join("\n"));
    assert(facts.some(({ id }) => id === made.id));
  },
);

Deno.test("ls: the default columns fit 80 characters", () => {
  const facts: SegmentFacts = {
    ...new FactsReader({ extras: false }).facts(segmentStat({
      key: -1,
      id: 2 ** 31 - 1,
      size: 2 ** 52,
      nattch: 999,
      cpid: 2 ** 22,
      lpid: 2 ** 22,
      ctime: new Date(),
    })),
    owner: "a-user-with-a-very-long-name",
    status: "orphan",
  };
  for (const line of tableLines(defaultSegmentColumns([facts]), [facts])) {
    assert(line.length <= 80, `${line.length}: ${line}`);
  }
  const [, line] = tableLines(defaultSegmentColumns([facts]), [facts]);
  assert.match(
    line!,
    /^0xffffffff 2147483647 a-user-\+ 0600 +4P +999 orphan \d\d-\d\d \d\d:\d\d 41/,
  );
  const set: SemaphoreSetFacts = {
    ...semaphoreSetFacts({
      ...segmentStat(),
      id: NO_PID,
      count: 32000,
      otime: null,
    }),
    owner: "a-user-with-a-very-long-name",
    id: 2 ** 31 - 1,
  };
  for (const line of tableLines(DEFAULT_SEMAPHORE_COLUMNS, [set])) assert(line.length <= 80, line);
});
