/** `cli.ts chown` on segments that ipcmk made, as ipcs sees them afterwards, and who an owner can be. */

import assert from "node:assert/strict";
import { accountName } from "../../../ffi/accounts.ts";
import { statSegment } from "../../../mod.ts";
import { ForeignObject } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { NOBODY } from "../../support/other_user.ts";
import { Peer, PROJECT } from "../../support/peer.ts";
import { printed, runHere } from "../command_line.ts";
import { ipcsFigures } from "../ipcs.ts";
import { hexKey } from "../../../src/cli/text/wording.ts";

guardAgainstLeaks();

const FOREIGN = { tools: ["deno", "ipcmk", "ipcrm", "ipcs"] };

/** The number of no account. */
const UNKNOWN = 3_999_999_999;

const nameOf = (kind: "user" | "group", id: number): string => accountName(kind, id) ?? `${id}`;

testWith(FOREIGN, "chown: user, group and both; the creator stays", async () => {
  using first = ForeignObject.segment(100, "0640");
  using second = ForeignObject.segment(100);
  const before = ipcsFigures(first.id);
  const rows: readonly (readonly [string, number, number])[] = [
    [`:${NOBODY}`, Number(before.uid), NOBODY],
    [`+${UNKNOWN}`, UNKNOWN, NOBODY],
    [`${nameOf("user", NOBODY)}:+0`, NOBODY, 0],
    [
      `${before.uid}:${nameOf("group", Number(before.gid))}`,
      Number(before.uid),
      Number(before.gid),
    ],
  ];
  let was = `${nameOf("user", Number(before.uid))}:${nameOf("group", Number(before.gid))}`;
  for (const [owner, uid, gid] of rows) {
    const stdout = await printed("chown", owner, `id:${first.id}`, `--id=${second.id}`);
    const now = `${nameOf("user", uid)}:${nameOf("group", gid)}`;
    for (const { id } of [first, second]) {
      const after = ipcsFigures(id);
      assert.deepEqual([after.uid, after.gid], [`${uid}`, `${gid}`], owner);
      assert.deepEqual([after.cuid, after.cgid], [before.cuid, before.cgid], owner);
      assert.match(stdout, new RegExp(`^segment ${id} \\(.*\\): owner ${now}, was ${was}$`, "m"));
    }
    was = now;
  }
  assert.equal(ipcsFigures(first.id).access_perms, "0640");
});

testWith(FOREIGN, "chown --json, chmod --json: before and after, null without a name", async () => {
  using made = ForeignObject.segment(100);
  const { key, uid, gid } = statSegment(made.id);
  const name = (kind: "user" | "group", id: number): string | null => accountName(kind, id) ?? null;
  for (
    const [command, change, before, after] of [
      ["chmod", "644", { mode: 0o600, perms: "0600" }, { mode: 0o644, perms: "0644" }],
      [
        "chown",
        `${UNKNOWN}:${UNKNOWN}`,
        { uid, gid, owner: name("user", uid), group: name("group", gid) },
        { uid: UNKNOWN, gid: UNKNOWN, owner: null, group: null },
      ],
    ] as const
  ) {
    const names = [`id:${made.id}`, "id:2147483647", "0x5eed0fff"];
    const { code, stdout } = await runHere(command, change, ...names, "--json");
    assert.equal(code, 1);
    const [changed, ...absent] = JSON.parse(stdout);
    const keyHex = hexKey(key);
    assert.deepEqual(changed, { id: made.id, key, keyHex, before, after, error: null });
    const unknown = { before: null, after: null };
    const [byId, byKey] = absent.map(({ error }: { readonly error: string }) => error);
    assert.match(byId, /^no segment has id 2147483647: /);
    assert.deepEqual(absent, [
      { id: 2147483647, key: null, keyHex: null, ...unknown, error: byId },
      { id: null, key: 0x5eed0fff, keyHex: "0x5eed0fff", ...unknown, error: byKey },
    ]);
  }
});

Deno.test("chown: a user or group that does not exist is one line, and 1", async () => {
  for (
    const [owner, message] of [
      ["no such user", 'there is no user "no such user"'],
      ["0:no-such-group", 'there is no group "no-such-group"'],
      ["0:0:0", 'there is no group "0:0"'],
    ] as const
  ) {
    const ended = await runHere("chown", owner, "0x5eed0fff");
    assert.deepEqual(ended, { code: 1, signal: null, stdout: "", stderr: `error: ${message}\n` });
  }
});

/** A user namespace of one user and one group, in which no other ids mean anything. */
const MAPPED = ["-U", "--map-root-user", "-i"];

function mayMapUsers(): boolean {
  if (Deno.permissions.querySync({ name: "run" }).state !== "granted") return false;
  try {
    return new Deno.Command("unshare", { args: [...MAPPED, "true"], stderr: "null" }).outputSync()
      .success;
  } catch {
    return false;
  }
}

const mapping = mayMapUsers();

Deno.test({
  name: "chown: an id that the user namespace does not map is said to be one" +
    (mapping ? "" : " [may not make a user namespace]"),
  ignore: !mapping,
  fn: async () => {
    const script = `main=$1; cli() { "$deno" run --allow-ffi "$main" "$@"; }
        cli create --size=10 --key=5
        for owner in 4242 :4343 0:4444; do cli chown $owner 5; echo "exit $?"; done
        cli chown 0:0 5; echo "exit $?"`;
    const { stdout, stderr } = await Peer.start("unshare", [
      ...MAPPED,
      ...["sh", "-c", `deno=$0; ${script}`, Deno.execPath(), `${PROJECT}cli.ts`],
    ]).ended();
    const reasons = stderr.trimEnd().split("\n").map((line) => line.split("; ")[1]);
    assert.deepEqual(reasons, [
      "user id 4242 is not mapped in this user namespace",
      "group id 4343 is not mapped in this user namespace",
      "group id 4444 is not mapped in this user namespace",
    ]);
    assert.deepEqual(stdout.match(/^exit \d$/gm), ["exit 1", "exit 1", "exit 1", "exit 0"]);
  },
});
