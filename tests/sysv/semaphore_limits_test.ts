/** Limits and use of semaphores compared with ipcs -l and -u, in a namespace with its own limits. */

import assert from "node:assert/strict";
import { semaphoreLimits, semaphoreUsage } from "../../src/sysv/mod.ts";
import { testWith } from "../support/needs.ts";
import { IN_NAMESPACE, inNamespace } from "../support/own_namespace.ts";

Deno.test("semaphoreLimits and semaphoreUsage: whole numbers", () => {
  for (const figures of [semaphoreLimits(), semaphoreUsage()]) {
    for (const [name, figure] of Object.entries(figures)) {
      assert(Number.isSafeInteger(figure) && figure >= 0, `${name}: ${figure}`);
    }
  }
});

testWith(
  { ...IN_NAMESPACE, tools: [...IN_NAMESPACE.tools!, "ipcs", "ipcmk"] },
  "semaphoreLimits and semaphoreUsage: the same as ipcs and the sysctl",
  async () => {
    const printed = await inNamespace(
      { sem: "300 4000 200 50" },
      `import { SemaphoreSet, semaphoreLimits, semaphoreUsage } from "@sysv/shm/sysv";
      const ipcs = (...args) => {
        const { stdout } = new Deno.Command("ipcs", { args, env: { LC_ALL: "C" } }).outputSync();
        return [...new TextDecoder().decode(stdout).matchAll(/= (\\d+)/g)].map(([, n]) => Number(n));
      };
      const usage = () => [Object.values(semaphoreUsage()), ipcs("-us")];
      const { semmni, semmsl, semmns, semopm, semvmx } = semaphoreLimits();
      const before = usage();
      const set = SemaphoreSet.create({ count: 30 });
      new Deno.Command("ipcmk", { args: ["-S", "12"] }).outputSync();
      const two = usage();
      set.remove();
      console.log(JSON.stringify([
        [semmni, semmsl, semmns, semopm, semvmx], ipcs("-ls"), before, two, usage(),
      ]));`,
    );
    assert.deepEqual(JSON.parse(printed), [
      [50, 300, 4000, 200, 32767],
      [50, 300, 4000, 200, 32767],
      [[0, 0], [0, 0]],
      [[2, 42], [2, 42]],
      [[1, 12], [1, 12]],
    ]);
  },
);
