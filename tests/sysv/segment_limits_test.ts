/** Limits and use, against what the system's own tools say. */

import assert from "node:assert/strict";
import { Segment, segmentLimits, segmentUsage } from "../../mod.ts";
import { output } from "../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";

guardAgainstLeaks();

testWith({ tools: ["ipcs"] }, "limits and use are ipcs -l's and -u's", () => {
  using segment = Segment.create({ size: 3 * 4096 });
  segment.remove();
  segment.bytes.fill(1);
  const { shmmni, shmmin } = segmentLimits();
  const limits = output("ipcs", "-lm");
  assert.equal(Number(/max number of segments = (\d+)/.exec(limits)?.[1]), shmmni);
  assert.equal(Number(/min seg size \(bytes\) = (\d+)/.exec(limits)?.[1]), shmmin);
  const usage = output("ipcs", "-um");
  const figure = (pattern: RegExp): number => Number(pattern.exec(usage)?.[1]);
  const { segments, pages, resident, swapped, swapAttempts, swapSuccesses } = segmentUsage();
  assert.equal(figure(/segments allocated (\d+)/), segments);
  assert.equal(figure(/pages allocated (\d+)/), pages);
  assert.equal(figure(/pages resident +(\d+)/), resident);
  assert.equal(figure(/pages swapped +(\d+)/), swapped);
  assert.equal(figure(/(\d+) attempts/), swapAttempts);
  assert.equal(figure(/(\d+) successes/), swapSuccesses);
});

testWith({ tools: ["cat", "getconf"] }, "limits are the sysctls', to the last digit", () => {
  const sysctl = (name: string): string => output("cat", `/proc/sys/kernel/${name}`).trim();
  const { shmmax, shmall, shmmni, pageSize } = segmentLimits();
  assert.deepEqual(
    [`${shmmax}`, `${shmall}`, `${shmmni}`, `${pageSize}`],
    [sysctl("shmmax"), sysctl("shmall"), sysctl("shmmni"), output("getconf", "PAGESIZE").trim()],
  );
});

testWith(IN_NAMESPACE, "limits that a number cannot hold come exactly", async () => {
  const exact = 2n ** 63n + 2n ** 53n + 1n;
  const printed = await inNamespace(
    { shmmax: `${exact}`, shmall: `${exact + 2n}` },
    `import { segmentLimits } from "@sysv/shm";
    const { shmmax, shmall } = segmentLimits();
    console.log(String(shmmax), String(shmall));`,
  );
  assert.equal(printed, `${exact} ${exact + 2n}`);
});
