/**
 * `doctor`: each thing that goes wrong is found in a namespace where it was made to, the command it
 * gives puts it right, and a system without faults is told to be so.
 */

import assert from "node:assert/strict";
import { geteuid } from "../../../ffi/accounts.ts";
import { MAILBOX_KEY, type SegmentStat } from "../../../mod.ts";
import type { SemaphoreSetStat } from "../../../src/sysv/mod.ts";
import { examineObjects, type Objects } from "../../../src/cli/doctor/doctor_objects.ts";
import {
  CHECKS,
  type Diagnosis,
  type Finding,
  isRemark,
} from "../../../src/cli/doctor/doctor_report.ts";
import { examineLimits, logout } from "../../../src/cli/doctor/doctor_system.ts";
import type { LimitFacts } from "../../../src/cli/objects/limit_facts.ts";
import { printable } from "../../../src/cli/output.ts";
import { AccountNames } from "../../../src/cli/objects/object_facts.ts";
import type { SemaphoreFacts } from "../../../src/cli/objects/semaphore_facts.ts";
import { Inventory } from "../../../src/cli/objects/unused.ts";
import { programName } from "../../../src/cli/program_name.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NO_PID, segmentStat } from "../../support/objects.ts";
import { IN_NAMESPACE } from "../../support/own_namespace.ts";
import { type Ended, TestFolder } from "../../support/peer.ts";
import { inShellOfNamespace } from "../command_line.ts";

guardAgainstLeaks();

const NAMESPACE = {
  ...IN_NAMESPACE,
  tools: [...IN_NAMESPACE.tools!, "ipcmk", "ipcrm", "perl", "sysctl"],
};

/** Made-up objects, and what is known of them. */
interface Made {
  readonly segments?: readonly SegmentStat[];
  readonly sets?: readonly SemaphoreSetStat[];
  readonly semaphoresOf?: () => readonly SemaphoreFacts[] | undefined;
  readonly attachersOf?: Objects["attachersOf"];
}

function examine(
  { segments = [], sets = [], semaphoresOf = () => [], attachersOf = () => undefined }: Made,
): ReturnType<typeof examineObjects> {
  const inventory = new Inventory({ segments, sets, semaphoresOf });
  return examineObjects({ inventory, names: new AccountNames(), attachersOf });
}

function examined(made: Made): Finding[] {
  return [...examine(made).found];
}

/** The checks that found something, and about which object. */
function summary(found: readonly Finding[]): string[] {
  return found.map(({ check, segment, semaphoreSet }) =>
    `${check} ${segment ?? `set ${semaphoreSet}`}`
  );
}

const us = geteuid();
const owner = `owner ${new AccountNames().name("user", us) ?? `uid ${us}`}`;
const nobody = us + 1_000_000;
const healthy = { uid: us, cuid: us, mode: 0o600 };

/** Facts of a segment or, with a count, of a semaphore set, and the checks that find it. */
const FACTS: readonly (readonly [Partial<SegmentStat> & { count?: number }, string[]])[] = [
  [{ key: 5 }, []],
  [{ mode: 0o644 }, []],
  [{ nattch: 1, cpid: NO_PID }, []],
  [{ key: MAILBOX_KEY, size: 2049, nattch: 1 }, []],
  // Marked as soon as it is attached: what X, ffmpeg and `create(); remove()` do
  [{ markedForRemoval: true, nattch: 2 }, []],
  [{ cpid: NO_PID }, ["orphans"]],
  [{ markedForRemoval: true, nattch: 2, cpid: NO_PID }, ["held"]],
  [{ mode: 0o602 }, ["world-writable"]],
  [{ mode: 0o660 }, ["group-writable"]],
  [{ key: MAILBOX_KEY, size: 100 }, ["mailbox-key"]],
  [{ key: MAILBOX_KEY, size: 2049, cuid: nobody }, ["mailbox-key", "given-away"]],
  [{ cuid: 0, uid: nobody }, ["given-away"]],
  [{ cpid: 0 }, ["unseen"]],
  [{ count: 6 }, []],
  [{ count: 6, key: MAILBOX_KEY }, []],
  [{ count: 6, mode: 0o606 }, ["world-writable"]],
  [{ count: 6, mode: 0o620 }, ["group-writable"]],
  [{ count: 5, key: MAILBOX_KEY }, ["mailbox-key"]],
  [{ count: 6, key: MAILBOX_KEY, uid: nobody }, ["mailbox-key", "given-away"]],
];

Deno.test("doctor: which checks find which objects; none of them has a command", () => {
  for (const [{ count, ...facts }, checks] of FACTS) {
    const stat = segmentStat({ ...healthy, id: 9, ...facts });
    const made = count === undefined
      ? { segments: [stat] }
      : { sets: [{ ...stat, count, otime: null }] };
    const found = examined(made);
    const subject = count === undefined ? "9" : "set 9";
    assert.deepEqual(summary(found), checks.map((check) => `${check} ${subject}`));
    for (const each of found) assert.deepEqual([isRemark(each), each.fix], [true, null]);
  }
  const own = { uid: nobody, cuid: nobody };
  const segments = [
    segmentStat({ ...own, id: 1, cpid: NO_PID }),
    segmentStat({ ...own, id: 2, nattch: 1 }),
  ];
  assert.deepEqual(summary(examined({ segments })), ["idle 1"], "its owner has another one");
});

Deno.test("doctor: a finding has the object, the detail and the reason", () => {
  const about = (facts: Partial<SegmentStat>): Finding =>
    examined({ segments: [segmentStat({ ...healthy, id: 9, key: 0x457, ...facts })] })[0]!;
  const name = `segment 9, key 0x00000457, ${owner}`;
  const what = `segment 9, key 0x00000007, ${owner}, 1 byte`;
  const detail = `created by process ${NO_PID} (gone)`;
  assert.deepEqual(about({ key: 7, cpid: NO_PID, size: 1 }), {
    check: "orphans",
    segment: 9,
    semaphoreSet: null,
    process: NO_PID,
    count: 1,
    bytes: 1,
    what,
    detail,
    why: CHECKS.orphans.why,
    fix: null,
    objects: [{ segment: 9, semaphoreSet: null, what, detail }],
  });
  const exposed = (mode: number): string => about({ mode, size: 2049 }).detail!;
  assert.equal(exposed(0o666), "mode 0666: every user may read and change it");
  assert.equal(exposed(0o602), "mode 0602: every user may change it");
  assert.match(
    exposed(0o660),
    /mode 0660: every member of group root \(0\) may read and change it$/,
  );
  const { what: small, detail: strange } = about({ size: 100 });
  assert.deepEqual([small, strange], [`${name}, 100 bytes`, "100 bytes where a mailbox has 2049"]);
});

Deno.test("doctor: one finding for the objects of one process, with number and bytes", () => {
  const segments = Array.from({ length: 4000 }, (_, id) =>
    segmentStat({
      ...healthy,
      id,
      size: 1024,
      cpid: id < 3999 ? NO_PID : NO_PID - 1,
      ...(id % 2 === 0 ? { markedForRemoval: true, nattch: 1 } : {}),
    }));
  const found = examined({ segments });
  assert.deepEqual(
    found.map(({ check, segment, process, count, bytes, objects }) => [
      ...[check, segment, process, count, bytes, objects.length],
    ]),
    [
      ["orphans", null, NO_PID, 1999, 1999 * 1024, 1999],
      ["orphans", 3999, NO_PID - 1, 1, 1024, 1],
      ["held", null, NO_PID, 2000, 2000 * 1024, 2000],
    ],
  );
  assert.deepEqual([found[0]!.what, found[0]!.detail], [
    `1999 segments, ${owner}, 2046976 bytes (2M)`,
    `created by process ${NO_PID} (gone)`,
  ]);
});

Deno.test("doctor: names the processes that hold a removed segment, if known", () => {
  const segments = [
    segmentStat({ ...healthy, id: 3, nattch: 3, markedForRemoval: true, cpid: NO_PID }),
  ];
  const [unknown] = examined({ segments });
  assert.match(unknown!.detail!, /attached 3 times$/);
  const [known] = examined({
    segments,
    attachersOf: () => [
      { pid: 10, command: "postgres", times: 2 },
      { pid: 11, command: "perl", times: 1 },
    ],
  });
  assert.match(known!.detail!, /attached by process 10 \(postgres\), 11 \(perl\)$/);
  assert.deepEqual([known!.process, known!.fix], [10, null]);
});

Deno.test("doctor: a semaphore set whose users are gone and that no process waits for", () => {
  const set = { ...segmentStat({ ...healthy, id: 4, key: 77 }), count: 2, otime: new Date() };
  const gone: SemaphoreFacts = {
    index: 0,
    value: 0,
    waitingForIncrease: 0,
    waitingForZero: 0,
    lastPid: NO_PID,
  };
  const untouched: SemaphoreFacts = { ...gone, lastPid: null };
  const left = (...semaphores: readonly SemaphoreFacts[]): string[] =>
    summary(examined({ sets: [set], semaphoresOf: () => semaphores }));
  assert.deepEqual(left(gone, untouched), ["left-semaphores set 4"]);
  assert.deepEqual(left(untouched, untouched), []);
  assert.deepEqual(left(gone, { ...gone, lastPid: Deno.pid }), []);
  assert.deepEqual(left(gone, { ...gone, waitingForIncrease: 1 }), []);
  assert.deepEqual(left(gone, { ...gone, waitingForZero: 1 }), []);
  const segments = [segmentStat({ ...healthy, key: 77 })];
  assert.deepEqual(summary(examined({ segments, sets: [set], semaphoresOf: () => [gone] })), []);
  const sets = [set, { ...set, id: 5 }];
  const { found, notChecked } = examine({ sets, semaphoresOf: () => undefined });
  assert.deepEqual([...found], []);
  assert.deepEqual(notChecked, [
    { check: "left-semaphores", why: "2 semaphore sets that this user may not read" },
  ]);
});

/** What a user who is not root needs before a command of root's. */
const SUDO = us === 0 ? "" : "sudo ";

const LIMIT: LimitFacts = {
  resource: "shmmni",
  description: "segments",
  unitBytes: null,
  limit: 100,
  used: 0,
  percent: 0,
  sysctl: "kernel.shmmni",
  sysctlField: null,
};

Deno.test("doctor: limits that are used to 80 %, or too low", () => {
  const said = (facts: Partial<LimitFacts>): (string | null)[] =>
    examineLimits([{ ...LIMIT, ...facts }]).flatMap(({ what, fix }) => [what, fix]);
  assert.deepEqual(said({ percent: 79.99 }), []);
  assert.deepEqual(said({ percent: null, used: null }), []);
  assert.deepEqual(said({ percent: 80, used: 80 }), [
    "80 of 100 segments (80.0 %)",
    `${SUDO}sysctl -w kernel.shmmni=4096`,
  ]);
  assert.equal(said({ percent: 95, limit: 5000 })[1], `${SUDO}sysctl -w kernel.shmmni=10000`);
  assert.equal(said({ percent: 95, limit: 30000 })[1], `${SUDO}sysctl -w kernel.shmmni=32768`);
  // No further: what makes room, and asks before it does
  const most = said({ percent: 95, limit: 32768 })[1]!;
  assert.match(most, / rm --orphans$/);
  assert.equal(most, `${programName()} rm --orphans`);
  const shmmax = { resource: "shmmax", unitBytes: 1, used: null, percent: null };
  const sysctl = "kernel.shmmax";
  assert.deepEqual(said({ ...shmmax, sysctl, limit: 2n ** 25n }), []);
  assert.deepEqual(said({ ...shmmax, sysctl, limit: 2n ** 25n - 1n }), [
    "kernel.shmmax is 33554431: a segment may have 33554431 bytes (32M) at most",
    `${SUDO}sysctl -w kernel.shmmax=18446744073692774399`,
  ]);
  assert.deepEqual(
    said({ resource: "shmall", unitBytes: 4096, sysctl: "kernel.shmall", limit: 2n }),
    [
      "kernel.shmall is 2: all segments together may have 8192 bytes (8K) at most",
      `${SUDO}sysctl -w kernel.shmall=18446744073692774399`,
    ],
  );
  // A segment has at least a byte, and no sysctl says so
  assert.deepEqual(said({ resource: "shmmin", unitBytes: 1, sysctl: null, limit: 1 }), []);
});

function semFields(
  ...rows: readonly (readonly [number, string, number, number | null])[]
): LimitFacts[] {
  return rows.map(([sysctlField, resource, limit, percent]) => ({
    ...{ ...LIMIT, sysctl: "kernel.sem", sysctlField, description: resource },
    ...{ resource, limit, percent, used: percent },
  }));
}

Deno.test("doctor: one command raises the limits of one sysctl, and no other", () => {
  const found = examineLimits(semFields(
    [4, "semmni", 100, 100],
    [2, "semmns", 50_000, 90],
    [1, "semmsl", 250, null],
    [3, "semopm", 32, null],
  ));
  assert.deepEqual(found.map(({ what, fix }) => [what, fix]), [[
    "100 of 100 semmni (100.0 %); 90 of 50000 semmns (90.0 %)",
    `${SUDO}sysctl -w kernel.sem="250 1024000000 32 32000"`,
  ]]);
});

Deno.test("doctor: numbers of kernel.sem from 0 to 3 are too low, used or not", () => {
  for (const few of [0, 1, 2, 3]) {
    const [found, ...more] = examineLimits(semFields(
      [4, "semmni", few, few === 0 ? 100 : 0],
      [2, "semmns", few, few === 0 ? 100 : 0],
      [1, "semmsl", few, null],
      [3, "semopm", few, null],
    ));
    assert.deepEqual(more, []);
    assert.equal(
      found!.what,
      ["semmni", "semmns", "semmsl", "semopm"].map((name) => `kernel.sem allows ${few} ${name}`)
        .join("; "),
    );
    assert.equal(found!.fix, `${SUDO}sysctl -w kernel.sem="32000 1024000000 500 32000"`);
  }
  const [most] = examineLimits(semFields([4, "semmni", 32768, 90]));
  assert.equal(most!.fix, `${programName()} ls --semaphores`);
});

testWith({ files: true }, "doctor: the users whose objects systemd removes at logout", () => {
  using folder = new TestFolder();
  const root = folder.path;
  const names = { name: (_: string, uid: number) => `user${uid}` } as AccountNames;
  const segments = [0, 999, 1000, 1001, 1000, 65534].map((uid) => segmentStat({ uid }));
  const said = (): string[] => logout(segments, names, root).map(({ what }) => what);
  const write = (path: string, text: string): void => {
    Deno.mkdirSync(`${root}${path.replace(/\/[^/]*$/, "")}`, { recursive: true });
    Deno.writeTextFileSync(`${root}${path}`, text);
  };
  assert.deepEqual(said(), [], "systemd does not run here");
  write("/run/systemd/system/x", "");
  const all = ["user1000 owns 2 segments", "user1001 owns 1 segment"];
  assert.deepEqual(said(), all);
  write("/var/lib/systemd/linger/user1000", "");
  assert.deepEqual(said(), all.slice(1));
  write("/etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n");
  assert.deepEqual(said(), all.slice(1));
  write("/usr/lib/systemd/logind.conf.d/50-server.conf", "[Login]\nRemoveIPC=no\n");
  assert.deepEqual(said(), []);
  write("/etc/systemd/logind.conf.d/60-here.conf", "[Login]\n RemoveIPC = yes \n");
  assert.deepEqual(said(), all.slice(1));
  write("/etc/systemd/logind.conf.d/50-server.conf", "[Login]\nRemoveIPC=false\n");
  assert.deepEqual(said(), all.slice(1));
  Deno.removeSync(`${root}/etc/systemd/logind.conf.d/60-here.conf`);
  assert.deepEqual(said(), []);
});

function diagnosisOf({ stdout }: Pick<Ended, "stdout">): Diagnosis {
  return JSON.parse(stdout);
}

testWith(NAMESPACE, "doctor: a system without faults is reported as such, with 0", async () => {
  const { code, stdout, stderr } = await inShellOfNamespace("cli doctor");
  assert.deepEqual([code, stdout], [0, "nothing wrong found\n"]);
  assert.match(stderr, /^note: not checked: rmid-forced, container, logout: needs -A[^\n]*\n$/);
  const json = await inShellOfNamespace("cli doctor --json");
  assert.deepEqual([json.code, diagnosisOf(json).findings, diagnosisOf(json).remarks], [0, [], []]);
  assert.deepEqual(diagnosisOf(json).notChecked.map(({ check }) => check), [
    "rmid-forced",
    "container",
    "logout",
  ]);
});

testWith(NAMESPACE, "doctor: with -A all checks; an own namespace is a remark", async () => {
  const { code, stdout, stderr } = await inShellOfNamespace("cli_all doctor");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^nothing wrong found\n\nworth knowing\n\ncontainer\n/);
});

/** Faults of every kind but one, made by programs that are not ours. */
const FAULTS = `
  ipcmk -M 4096 -p 600 > /dev/null
  perl -e 'my $id = shmget(1111, 100, 01660) // die $!;
    my $set = semget(7, 2, 01600); semop($set, pack("s3", 0, 1, 0)) or die $!'
  perl -e 'use IPC::SysV qw(shmat); $| = 1; $0 = "\\e[1mperl"; my $id = shmget(0, 5000, 0666) // die $!;
    defined shmat($id, undef, 0) or die $!; shmctl($id, 0, 0) or die $!; exit if fork;
    print "$$ held\n"; sleep 60' > held
  while ! grep -qs held held; do sleep 0.05; done
  cd /proc/sys/kernel; echo 3 > shmmni; echo 1000 > shmmax; echo "250 2 32 2" > sem; cd - > /dev/null
`;

testWith(NAMESPACE, "doctor: finds and explains each fault, and its commands fix it", async () => {
  using folder = new TestFolder();
  const { code, stdout, stderr } = await inShellOfNamespace(`
      cd "${folder.path}"; ${FAULTS}
      cli_all doctor > text; echo "exit $?" >> text
      cli_all doctor --json > json; echo "exit $?" >> text
      perl -MJSON::PP -0ne '
        for (@{decode_json($_)->{findings}}) { print "$_->{fix}\n" if $_->{fix} }' json > fixes
      cli ls --json --columns id,nattch,perms > before
      while read -r fix; do eval "$fix" < /dev/null; done < fixes > fixing 2>&1
      cli ls --json --columns id,nattch,perms > unchanged
      cmp before unchanged
      cli_all doctor > after; echo "exit $?" >> after
      read -r holder _ < held; kill $holder
      cat text; echo ====; cat json; echo ====; cat after; echo ====; cat fixing
    `);
  assert.deepEqual([code, stderr], [0, ""]);
  const [text, json, after, fixing] = stdout.split("====\n");
  assert.match(text!, /\nexit 1\nexit 1\n$/);
  for (const line of text!.split("\n")) assert(line.length <= 100, line);
  const { findings, remarks, notChecked }: Diagnosis = JSON.parse(json!);
  const found = (check: string): string[] =>
    remarks.filter((each) => each.check === check).map(({ what, detail }) => `${what}, ${detail}`);
  assert.equal(found("orphans").length, 2);
  assert.match(
    found("held").join(),
    /no key, .* 5000 bytes, created by .* attached by process \d+ \(\P{L}+1mperl\)$/u,
  );
  assert.match(found("world-writable").join(), /mode 0666: every user may read and change it$/);
  assert.match(
    found("mailbox-key").join(),
    /key 0x00000457, .*100 bytes where a mailbox has 2049/,
  );
  assert.match(found("left-semaphores").join(), /key 0x00000007, .* 2 semaphores, last used by/);
  assert.deepEqual(findings.map(({ check }) => check), ["limits", "limits", "limits"]);
  assert.deepEqual(remarks.map(({ check }) => check).toSorted(), [
    ...["container", "group-writable", "held", "left-semaphores", "mailbox-key"],
    ...["orphans", "orphans", "world-writable"],
  ]);
  assert.deepEqual(notChecked, []);
  const joined = text!.replaceAll(/\n +/g, " ");
  for (const { check, what, detail, why } of [...findings, ...remarks]) {
    assert(text!.includes(`\n  ${printable(what)}\n`) && text!.includes(`${check}\n`), what);
    for (const part of detail?.split("; ") ?? []) {
      assert(text!.includes(`\n    ${printable(part)}\n`), part);
    }
    assert(joined.includes(why), why);
  }
  assert.match(after!, /^nothing wrong found\n\n[^]*\nexit 0\n$/, `${text}${fixing}`);
});

testWith(NAMESPACE, "doctor --verbose: each object of a group", async () => {
  const { stdout } = await inShellOfNamespace(`
    perl -e 'shmget(0, 100, 0600) // die $! for 1 .. 3'
    cli doctor; echo "exit $?"; cli doctor --verbose
  `);
  const [brief, verbose] = stdout.split("exit 0\n");
  assert.match(
    brief!,
    /\n {2}3 segments, owner \S+, 300 bytes\n {4}created by process \d+ \(gone\)\n$/,
  );
  assert.match(
    verbose!,
    /\n {4}segment 0, .*\n.*\n {4}segment 1, .*\n.*\n {4}segment 2, .*\n {6}created .*\n$/,
  );
});

testWith(NAMESPACE, "doctor: finds kernel.shm_rmid_forced", async () => {
  const { stdout } = await inShellOfNamespace(`
    echo 1 > /proc/sys/kernel/shm_rmid_forced; cli_all doctor --json; echo "exit $?"
  `);
  const [json, end] = stdout.split(/(?=^exit)/m);
  const { findings } = diagnosisOf({ stdout: json! });
  assert.deepEqual(findings.map(({ check, fix }) => [check, fix]), [
    ["rmid-forced", "sysctl -w kernel.shm_rmid_forced=0"],
  ]);
  assert.equal(end, "exit 1\n");
});

testWith(NAMESPACE, "doctor --skip: a skipped check is not reported or counted", async () => {
  const { stdout } = await inShellOfNamespace(`
    ipcmk -M 10 -p 666 > /dev/null
    echo 3 > /proc/sys/kernel/shmmni
    cli doctor --skip orphans; echo "exit $?"
    cli doctor --skip orphans,world-writable,limits; echo "exit $?"
  `);
  const [first, second] = stdout.split(/(?<=^exit \d\n)/m);
  assert.match(first!, /^limits\n[^]*\nworld-writable\n[^]*\nexit 1\n$/);
  assert.doesNotMatch(first!, /orphans/);
  assert.equal(second, "nothing wrong found\nexit 0\n");
});
