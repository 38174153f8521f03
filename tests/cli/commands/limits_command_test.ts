/** `limits`, beside what ipcs(1) says, in namespaces with limits of their own. */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { IN_NAMESPACE } from "../../support/own_namespace.ts";
import { inShellOfNamespace } from "../command_line.ts";

guardAgainstLeaks();

const NAMESPACE = { ...IN_NAMESPACE, tools: [...IN_NAMESPACE.tools!, "ipcmk", "ipcs"] };

/** One row of `--json`. */
interface Row {
  readonly resource: string;
  readonly unitBytes: number | null;
  readonly limit: number | null;
  readonly used: number | null;
  readonly percent: number | null;
  readonly sysctl: string | null;
  readonly sysctlField: number | null;
}

function rowOf(rows: readonly Row[], resource: string): Row {
  return rows.find((each) => each.resource === resource)!;
}

/** The figure behind a name, as ipcs prints it: `name = 5` or `name 5`. */
function figure(text: string, name: string): string | undefined {
  return new RegExp(`^${name}\\s*=?\\s*(\\d+)`, "m").exec(text)?.[1];
}

testWith(NAMESPACE, "limits: those of ipcs -l and -u, pages counted by segment", async () => {
  const { code, stdout, stderr } = await inShellOfNamespace(`
  cd /proc/sys/kernel; echo 77 > shmmni; echo 1000000 > shmall; echo 8388608 > shmmax
  echo "100 200 30 40" > sem
  for size in 1024 2048 4096 4097; do ipcmk -M $size > /dev/null; done
  ipcmk -S 5 > /dev/null; ipcmk -S 2 > /dev/null
  cli limits --json; echo ====; ipcs -l; ipcs -u; getconf PAGE_SIZE
`);
  assert.deepEqual([code, stderr], [0, ""]);
  const [json, theirs] = stdout.split("====\n");
  const pageSize = Number(theirs!.trim().split("\n").at(-1));
  const rows: Row[] = JSON.parse(json!);
  const said = (resource: string): (string | number | null)[] => {
    const { limit, used, sysctl, sysctlField } = rowOf(rows, resource);
    return [limit, used, sysctl, sysctlField];
  };
  assert.deepEqual(said("shmmni"), [77, 4, "kernel.shmmni", null]);
  assert.deepEqual(said("shmall"), [1_000_000, pageSize === 4096 ? 5 : 4, "kernel.shmall", null]);
  assert.deepEqual(said("shmmax"), [8_388_608, null, "kernel.shmmax", null]);
  assert.deepEqual(said("shmmin"), [1, null, null, null]);
  assert.deepEqual(said("semmsl"), [100, null, "kernel.sem", 1]);
  assert.deepEqual(said("semmns"), [200, 7, "kernel.sem", 2]);
  assert.deepEqual(said("semopm"), [30, null, "kernel.sem", 3]);
  assert.deepEqual(said("semmni"), [40, 2, "kernel.sem", 4]);
  assert.equal(rowOf(rows, "semmni").percent, 5);
  assert.equal(rowOf(rows, "shmall").unitBytes, pageSize);

  const agrees: readonly (readonly [string, number])[] = [
    ["max number of segments", rowOf(rows, "shmmni").limit!],
    ["max seg size \\(kbytes\\)", rowOf(rows, "shmmax").limit! / 1024],
    ["max total shared memory \\(kbytes\\)", rowOf(rows, "shmall").limit! * pageSize / 1024],
    ["min seg size \\(bytes\\)", rowOf(rows, "shmmin").limit!],
    ["max number of arrays", rowOf(rows, "semmni").limit!],
    ["max semaphores per array", rowOf(rows, "semmsl").limit!],
    ["max semaphores system wide", rowOf(rows, "semmns").limit!],
    ["max ops per semop call", rowOf(rows, "semopm").limit!],
    ["semaphore max value", rowOf(rows, "semvmx").limit!],
    ["segments allocated", rowOf(rows, "shmmni").used!],
    ["pages allocated", rowOf(rows, "shmall").used!],
    ["pages resident", rowOf(rows, "resident").used!],
    ["pages swapped", rowOf(rows, "swapped").used!],
    ["used arrays", rowOf(rows, "semmni").used!],
    ["allocated semaphores", rowOf(rows, "semmns").used!],
  ];
  for (const [name, ours] of agrees) assert.equal(figure(theirs!, name), `${ours}`, name);
});

testWith(NAMESPACE, "limits: figures beyond 2^53 keep all their digits", async () => {
  const { stdout } = await inShellOfNamespace(`
  cd /proc/sys/kernel; echo 1152921504606846977 > shmmax; echo 18446744073692774399 > shmall
  cli limits; cli limits --json
`);
  const [table, json] = stdout.split(/(?=^\[)/m);
  assert.match(table!, /^bytes of a segment +1152921504606846977 +- +- kernel\.shmmax$/m);
  assert.match(table!, /^pages of \d+ bytes +18446744073692774399 +0 +0\.0 kernel\.shmall$/m);
  assert.match(json!, /"limit": 1152921504606846977,$/m);
  assert.match(json!, /"limit": 18446744073692774399,$/m);
  assert.equal(rowOf(JSON.parse(json!), "shmmax").limit, 2 ** 60);
});

testWith(NAMESPACE, "limits: a row for each, what is used in percent", async () => {
  const { stdout, stderr } = await inShellOfNamespace(`
    cd /proc/sys/kernel; echo 3 > shmmni; echo 0 > shmall; echo "100 200 30 0" > sem
    cli limits; echo 3000 > shmall; ipcmk -M 1 > /dev/null; ipcmk -M 1 > /dev/null; cli limits
  `);
  assert.equal(stderr, "");
  const [empty, used] = stdout.split(/(?=^RESOURCE)/m);
  assert.match(empty!, /^RESOURCE +LIMIT +USED +USE% +SYSCTL\n/);
  assert.match(empty!, /^segments +3 +0 +0\.0 kernel\.shmmni$/m);
  assert.match(empty!, /^pages of \d+ bytes +0 +0 +100\.0 kernel\.shmall$/m);
  assert.match(empty!, /^semaphore sets +0 +0 +100\.0 kernel\.sem 4$/m);
  assert.match(used!, /^segments +3 +2 +66\.7 kernel\.shmmni$/m);
  assert.match(used!, /^pages of \d+ bytes +3000 +2 +0\.1 kernel\.shmall$/m);
  assert.match(used!, /^value of a semaphore +32767 +- +- -$/m);
  for (const line of stdout.split("\n")) assert(line.length <= 80, line);
});
