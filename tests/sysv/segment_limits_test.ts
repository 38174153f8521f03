/** Limits and use, compared with the system's own tools. */

import assert from "node:assert/strict";
import { segmentLimits } from "../../mod.ts";
import { output } from "../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";

guardAgainstLeaks();

testWith({ tools: ["ipcs"] }, "segmentLimits: the same as ipcs -l", () => {
  const { shmmni, shmmin } = segmentLimits();
  const limits = output("ipcs", "-lm");
  assert.equal(Number(/max number of segments = (\d+)/.exec(limits)?.[1]), shmmni);
  assert.equal(Number(/min seg size \(bytes\) = (\d+)/.exec(limits)?.[1]), shmmin);
});

testWith(
  { ...IN_NAMESPACE, tools: [...IN_NAMESPACE.tools!, "ipcs"] },
  "segmentUsage: the same as ipcs -u",
  async () => {
    const printed = await inNamespace(
      {},
      `import { Segment, segmentUsage } from "@sysv/shm";
      using segment = Segment.create({ size: 3 * 4096 });
      segment.bytes.fill(1);
      const { stdout } = new Deno.Command("ipcs", {
        args: ["-um"],
        env: { LC_ALL: "C" },
      }).outputSync();
      console.log(JSON.stringify([segmentUsage(), new TextDecoder().decode(stdout)]));`,
    );
    const [use, theirs] = JSON.parse(printed);
    const figure = (pattern: RegExp): number => Number(pattern.exec(theirs)?.[1]);
    assert.deepEqual(use, {
      segments: figure(/segments allocated (\d+)/),
      pages: figure(/pages allocated (\d+)/),
      resident: figure(/pages resident +(\d+)/),
      swapped: figure(/pages swapped +(\d+)/),
      swapAttempts: figure(/(\d+) attempts/),
      swapSuccesses: figure(/(\d+) successes/),
    });
    assert.deepEqual([use.segments, use.pages], [1, 3]);
  },
);

testWith(
  { tools: ["cat", "getconf"] },
  "segmentLimits: the same as the sysctls, to the last digit",
  () => {
    const sysctl = (name: string): string => output("cat", `/proc/sys/kernel/${name}`).trim();
    const { shmmax, shmall, shmmni, pageSize } = segmentLimits();
    assert.deepEqual(
      [`${shmmax}`, `${shmall}`, `${shmmni}`, `${pageSize}`],
      [sysctl("shmmax"), sysctl("shmall"), sysctl("shmmni"), output("getconf", "PAGESIZE").trim()],
    );
  },
);

testWith(IN_NAMESPACE, "segmentLimits: limits beyond 2^53 are exact", async () => {
  const exact = 2n ** 63n + 2n ** 53n + 1n;
  const printed = await inNamespace(
    { shmmax: `${exact}`, shmall: `${exact + 2n}` },
    `import { segmentLimits } from "@sysv/shm";
    const { shmmax, shmall } = segmentLimits();
    console.log(String(shmmax), String(shmall));`,
  );
  assert.equal(printed, `${exact} ${exact + 2n}`);
});
