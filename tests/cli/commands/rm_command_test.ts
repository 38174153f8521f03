/** `rm` on objects of ipcmk, Perl and C; its decisions are tested in `removal_test.ts`. */

import assert from "node:assert/strict";
import { findSegment } from "../../../src/sysv/mod.ts";
import {
  listSegments,
  listSemaphoreSets,
  Segment,
  SemaphoreSet,
  statSegment,
  statSemaphoreSet,
} from "../../../mod.ts";
import { ForeignObject, output, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey, Peer, TestFolder } from "../../support/peer.ts";
import { cliInShellOnTerminal, ON_TERMINAL } from "../../support/terminal.ts";
import { IN_NAMESPACE } from "../../support/own_namespace.ts";
import {
  cliInShell,
  inShellOfNamespace,
  namedPipe,
  PIPE_TOOLS,
  runHere,
  runWithProc,
  toEnd,
  until,
} from "../command_line.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";

guardAgainstLeaks();

const IPCMK = { tools: ["deno", "ipcmk", "ipcrm", "perl"] };
const NAMESPACE = { ...IN_NAMESPACE, tools: [...IN_NAMESPACE.tools!, "ipcmk", "perl"] };
const PIPES = { tools: ["deno", "sh", "ipcmk", "ipcrm", ...PIPE_TOOLS], files: true };

const PERL = { tools: ["deno", "perl", "ipcrm", "ipcs"] };

testWith(IPCMK, "rm: by key and by id; what is not there is an error", async () => {
  using first = ForeignObject.segment(100);
  using second = ForeignObject.segment(5000);
  const { key } = statSegment(second.id);
  const { code, stdout, stderr } = await runHere("rm", `id:${first.id}`, "0x5eed0fff", hexKey(key));
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^error: no segment has key \d+ \(0x5eed0fff\): `[^`]+cli.ts ls` lists [^\n]*\n$/,
  );
  const [one, two] = stdout.split("\n");
  assert.match(
    one!,
    new RegExp(`^removed segment ${first.id} \\(key 0x[0-9a-f]{8}, 100 bytes\\)$`),
  );
  assert.equal(two, `removed segment ${second.id} (key ${hexKey(key)}, 5000 bytes)`);
  assert.deepEqual(listSegments().filter(({ id }) => [first.id, second.id].includes(id)), []);
});

testWith(PERL, "rm: in use, kept without a terminal, marked with --force", async () => {
  const key = freshKey();
  await using held = await perlSegment({ key, size: 100, times: 2 });
  const { perl, id } = held;
  const refused = await runHere("rm", hexKey(key));
  assert.equal(refused.code, 1);
  assert.equal(refused.stdout, "");
  assert.match(
    refused.stderr,
    /^error: segment \d+ \(key 0x\w+, 100 bytes\) of \S+: it has 2 attaches: /,
  );
  assert.match(refused.stderr, /no terminal to ask on: --force does without\n$/);
  assert.equal(findSegment(key), id);

  const dry = await runWithProc("rm", "-n", hexKey(key));
  assert.equal(dry.code, 0);
  assert.match(dry.stdout, new RegExp(`: it has 2 attaches \\(perl ${perl.pid}\\)\n$`));

  const forced = await runHere("rm", "--force", hexKey(key));
  assert.deepEqual(forced, {
    code: 0,
    signal: null,
    stdout:
      `marked segment ${id} (key ${hexKey(key)}, 100 bytes) for removal: it goes when its 2 ` +
      "attaches do\n",
    stderr: "",
  });
  assert.match(output("ipcs", "-m"), new RegExp(`^0x00000000 ${id} .* 100 +2 +dest`, "m"));
  await perl.endInput();
  await perl.ended();
  assert.equal(listSegments().find((stat) => stat.id === id), undefined);
});

testWith(IPCMK, "rm --json: a record of each, numbers are numbers", async () => {
  using attached = Segment.create({ key: freshKey(), size: 100 });
  const { id: used, key: usedKey } = attached;
  using free = ForeignObject.segment(100);
  const { key } = statSegment(free.id);
  const { code, stdout } = await runHere(
    "rm",
    "--json",
    `id:${used}`,
    `id:${free.id}`,
    "0x5eed0fff",
  );
  assert.equal(code, 1);
  const [kept, removed, absent, ...more] = JSON.parse(stdout);
  assert.deepEqual(more, []);
  assert.match(kept.error, /it has 1 attach: .*--force/);
  assert.deepEqual(
    { ...kept, error: "" },
    { id: used, key: usedKey, keyHex: hexKey(usedKey), removed: false, nattch: 1, error: "" },
  );
  assert.deepEqual(
    removed,
    { id: free.id, key, keyHex: hexKey(key), removed: true, nattch: 0, error: null },
  );
  assert.match(absent.error, /^no segment has key/);
  assert.deepEqual(
    { ...absent, error: "" },
    { id: null, key: 0x5eed0fff, keyHex: "0x5eed0fff", removed: false, nattch: null, error: "" },
  );
  const forced = await runHere("rm", "--json", "--force", "--id", `${used}`);
  assert.equal(forced.code, 0);
  assert.deepEqual(JSON.parse(forced.stdout), [
    { id: used, key: usedKey, keyHex: hexKey(usedKey), removed: true, nattch: 1, error: null },
  ]);
});

/** What a person types, on a terminal in a namespace of its own, after a shell script that makes objects. */
async function typed(
  setup: string,
  answers: string,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly shown: string; readonly left: string }> {
  using folder = new TestFolder();
  const script = `${setup}
    "$@"; echo "exit $?"; ipcs -m | grep -c ^0x; rm -f end said`;
  const alone = `cd "${folder.path}"; exec unshare -i sh -c '${
    script.replaceAll("'", "'\\''")
  }' sh "$@"`;
  await using rm = cliInShellOnTerminal(folder, alone, ...args);
  await rm.write(answers);
  const { stdout } = await rm.ended();
  // deno-lint-ignore no-control-regex
  const [shown = "", end = ""] = stdout.replace(/\r|\x1b\[[0-9]*[A-Z]/g, "").split(/^exit /m);
  const [code, left = ""] = end.split("\n");
  return { code: Number(code), shown: shown.replace(/key 0x\w+/g, "KEY"), left };
}

const TWO_LEFT = "ipcmk -M 1 > /dev/null; ipcmk -M 2 > /dev/null";
/** A process of the same user that is attached to another segment until `end` is opened. */
const ATTACHED = `${TWO_LEFT}; mkfifo end; perl -e "use IPC::SysV qw(shmat); \\$| = 1;
  defined shmat(shmget(0, 3, 0600), undef, 0) or die; print qq(attached\\n); sleep 60" > said &
  holder=$!; trap "kill $holder" EXIT; until grep -qs attached said; do sleep 0.05; done`;
const CHOSEN = {
  ...ON_TERMINAL,
  ...IN_NAMESPACE,
  tools: [...ON_TERMINAL.tools!, ...NAMESPACE.tools, "ipcs"],
};

testWith(CHOSEN, "rm --orphans: each with its evidence, one question, only y is yes", async () => {
  const no = await typed(TWO_LEFT, "n\n", "rm", "--orphans");
  const evidence = "never attached, created or changed \\d+ s ago, creator \\d+ \\(gone\\)";
  assert.match(
    no.shown,
    new RegExp(
      `^segment 0 \\(KEY, 1 bytes\\) of root: ${evidence}\n` +
        `segment 1 \\(KEY, 2 bytes\\) of root: ${evidence}\n` +
        "remove the 2 segments above\\? \\[y/N\\] (n\n)?" +
        "kept segment 0 \\(KEY, 1 bytes\\)\nkept segment 1 \\(KEY, 2 bytes\\)\n$",
      "m",
    ),
  );
  assert.deepEqual([no.code, no.left], [0, "2"]);
  const yes = await typed(TWO_LEFT, "y\n", "rm", "--orphans");
  assert.match(yes.shown, /removed segment 0 \(KEY, 1 bytes\)\nremoved segment 1 /);
  assert.deepEqual([yes.code, yes.left], [0, "0"]);
});

testWith(CHOSEN, "rm --orphans: what its owner may need is kept, unless --force", async () => {
  const left = await typed(ATTACHED, "", "rm", "--orphans");
  assert.equal(
    left.shown,
    "left alone: 2 segments (id 0, 1) of root: its owner also has 1 attached segment; --force " +
      "takes them too\nno segment is chosen: nothing to remove\n",
  );
  assert.deepEqual([left.code, left.left], [0, "3"]);
  const forced = await typed(ATTACHED, "", "rm", "--orphans", "--force");
  assert.equal(
    forced.shown,
    "removed segment 0 (KEY, 1 bytes)\nremoved segment 1 (KEY, 2 bytes)\n",
  );
  assert.deepEqual([forced.code, forced.left], [0, "1"]);
  // Each of what may be needed is a question of its own
  const mine = await typed(ATTACHED, "y\nn\nn\n", "rm", "--mine");
  assert.match(
    mine.shown,
    /segment 0 .* of root: its owner also has 1 attached segment: remove it all the same\? \[y\/N\] /,
  );
  assert.match(mine.shown, /segment 2 .* of root: it has 1 attach: remove it all the same\?/);
  assert.equal(mine.left, "2");
});

testWith(NAMESPACE, "rm --orphans: without a terminal only --yes removes", async () => {
  const { stdout, stderr } = await inShellOfNamespace(`
    ${TWO_LEFT}
    cli rm --orphans; echo "exit $?"
    cli rm --orphans --dry-run; echo "exit $?"
    cli rm --orphans --older-than 1h --yes; echo "exit $?"
    cli rm --orphans --yes; echo "exit $?"
  `);
  assert.equal(
    stdout.replace(/key 0x\w+/g, "KEY").replace(/\d+ s ago, creator \d+/g, "AGE"),
    "exit 1\n" +
      "would remove segment 0 (KEY, 1 bytes): never attached, created or changed AGE (gone)\n" +
      "would remove segment 1 (KEY, 2 bytes): never attached, created or changed AGE (gone)\n" +
      "exit 0\nexit 0\n" +
      "removed segment 0 (KEY, 1 bytes)\nremoved segment 1 (KEY, 2 bytes)\nexit 0\n",
  );
  assert.match(
    stderr,
    /^error: remove the 2 segments above\? There is no terminal to ask on: --yes does without, /m,
  );
  assert.match(stderr, /^no segment is chosen: nothing to remove$/m);
});

testWith(
  NAMESPACE,
  "rm --orphans, doctor: a zombie is dead, an unseen creator is not",
  async () => {
    const zombie = await inShellOfNamespace(`
      said=$(mktemp)
      perl -e '$| = 1; if (!fork) { shmget(5, 10, 01600) // die $!; exit }
        select undef, undef, undef, 0.01 until defined shmget(5, 0, 0);
        open my $null, "<", "/dev/null"; print "made\n"; sleep 60' > "$said" & parent=$!
      until grep -qs made "$said"; do sleep 0.05; done
      until grep -qs "^State:.Z" /proc/$(pgrep -P $parent)/status; do sleep 0.05; done
      cli ls --columns=creatorState,status; cli rm --orphans --yes; kill $parent; rm "$said"
    `);
    assert.match(zombie.stdout, /^CREATORSTATE STATUS\nzombie +orphan\nremoved segment /);
    const unseen = await inShellOfNamespace(`
      unshare -p -f ipcmk -M 300M > /dev/null
      unshare -p -f --mount-proc sh -c 'ipcmk -M 1 > /dev/null'
      unshare -p -f "$deno" run --allow-ffi "$main" rm --orphans --yes; echo "exit $?"
      unshare -p -f "$deno" run --allow-ffi "$main" doctor; echo "exit $?"
    `);
    assert.match(
      unseen.stderr,
      /^left alone: 2 segments \(id 0, 1\) of root: its creator is of another pid namespace; run this where the creators can be seen, in their container or on its host, or name what is to go \(id:ID\)\nno segment is chosen: nothing to remove$/m,
    );
    assert.match(
      unseen.stdout,
      /^exit 0\nnothing wrong found\n[^]*\nunseen\n[^]*2 segments, owner root, 314572801 bytes \(300M\)\n +its creator is of another pid namespace\nexit 0\n$/,
    );
  },
);

testWith(NAMESPACE, "rm --semaphores: asks about a set that may be in use", async () => {
  const { stdout, stderr } = await inShellOfNamespace(`
    said=$(mktemp)
    perl -e 'use IPC::SysV qw(shmat); $| = 1; defined shmat(shmget(7, 10, 01600), undef, 0) or die $!;
      my $beside = semget(7, 1, 01600); my $used = semget(8, 1, 01600);
      semop($used, pack("s3", 0, 1, 0)) or die $!; print "made\n"; sleep 60' > "$said" & perl=$!
    until grep -qs made "$said"; do sleep 0.05; done
    cli rm -s 7 8; echo "exit $?"; cli ls -s --columns key; kill $perl; rm "$said"
  `);
  assert.match(
    stderr,
    /^error: semaphore set \d+ .* of root: the segment with its key is attached: /,
  );
  assert.match(stderr, /^error: semaphore set \d+ .*: process \d+ used it last and is alive: /m);
  assert.equal(stdout, "exit 1\nKEY\n0x00000007\n0x00000008\n");
});

testWith(IPCMK, "rm --semaphores: by key and id; asks if a process waits", async () => {
  using one = ForeignObject.semaphores(1);
  using two = ForeignObject.semaphores(3);
  const { key } = statSemaphoreSet(two.id);
  const removed = await runHere(
    "rm",
    "--semaphores",
    `id:${one.id}`,
    hexKey(key),
    "id:2147483647",
  );
  assert.equal(removed.code, 1);
  assert.match(
    removed.stderr,
    /^error: no semaphore set has id 2147483647: `[^`]+cli.ts ls --sem/,
  );
  assert.match(removed.stdout, /^removed semaphore set \d+ \(key 0x\w+, 1 semaphore\)\n/);
  assert.match(removed.stdout, /\nremoved semaphore set \d+ \(key 0x\w+, 3 semaphores\)\n$/);
  const ids = listSemaphoreSets().map(({ id }) => id);
  assert.deepEqual([one.id, two.id].filter((id) => ids.includes(id)), []);

  using waited = ForeignObject.semaphores(1);
  const wait = `semop(${waited.id}, pack("s!*", 0, -1, 0)) or print $!{EIDRM} ? "EIDRM" : "$!"`;
  await using perl = Peer.start("perl", ["-MErrno", "-e", wait]);
  const set = SemaphoreSet.attach(waited.id);
  await until(() => set.waitingForIncrease(0) === 1);
  const kept = await runHere("rm", "-s", `id:${waited.id}`);
  assert.equal(kept.code, 1);
  assert.match(
    kept.stderr,
    / of \S+: it is waited on by 1 process: remove it .*--force does without/,
  );
  const forced = await runHere("rm", "-sf", "--json", `id:${waited.id}`);
  assert.equal(forced.code, 0);
  const [{ id, removed: gone, nattch, error }] = JSON.parse(forced.stdout);
  assert.deepEqual([id, gone, nattch, error], [waited.id, true, null, null]);
  assert.equal((await perl.ended()).stdout, "EIDRM");
});

testWith(PIPES, "rm: all is done even if the output cannot be written", async () => {
  using folder = new TestFolder();
  const pipe = await namedPipe(folder);
  const noReader = `{ : <"${pipe}" & } ; exec 3>"${pipe}"; wait; "$@" >&3`;
  const rows: readonly (readonly [string, string[], number, RegExp])[] = [
    [noReader, [], 0, /^$/],
    [noReader, ["0x5eed0fff"], 1, /^error: no segment has key/],
    ['"$@" >/dev/full', [], 1, /^error: cannot write to standard output: .*os error 28\)\n$/],
  ];
  for (const [script, more, code, said] of rows) {
    using one = ForeignObject.segment(1);
    using two = ForeignObject.segment(1);
    const names = [`id:${one.id}`, ...more, `id:${two.id}`];
    const ended = await toEnd(cliInShell(script, "rm", ...names));
    assert.equal(ended.code, code, script);
    assert.match(ended.stderr, said);
    assert.deepEqual(listSegments().filter(({ id }) => [one.id, two.id].includes(id)), []);
  }
});
