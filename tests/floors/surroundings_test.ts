/**
 * Every part where the system has less than usual: no /proc, no account, no folder that it may write to, no
 * memory that it may lock.
 */

import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { IN_NAMESPACE } from "../support/own_namespace.ts";
import { Peer, PROJECT } from "../support/peer.ts";
import { WITHOUT_COMMANDS } from "./every_part.ts";
import { assertAllWork, EVERY_PART, reportOf } from "./surroundings.ts";

guardAgainstLeaks();

const NOWHERE = "/proc/nowhere";

testWith(
  { ...IN_NAMESPACE, tools: [...IN_NAMESPACE.tools!, "mount"] },
  "library and commands: all work without /proc and /dev/shm",
  async () => {
    const script = `mount -t tmpfs none /proc; mount -t tmpfs -o ro none /dev/shm
      "$0" run --allow-ffi ${PROJECT}cli.ts ls >/dev/null; exec "$0" "$@" ${WITHOUT_COMMANDS}`;
    const command = ["--mount", "--ipc", "sh", "-ec", script, ...EVERY_PART];
    assertAllWork(await reportOf(Peer.start("unshare", command)));
  },
);

testWith(
  { tools: ["deno", "env"], root: true },
  "library and commands: all work for a user without an account, a folder and locked memory",
  async () => {
    const folders = ["HOME", "TMPDIR", "DENO_DIR"].map((name) => `${name}=${NOWHERE}`);
    const command = ["-i", ...folders, ...EVERY_PART, "UID=54321", "MEMLOCK=0"];
    assertAllWork(await reportOf(Peer.start("env", command)));
  },
);
