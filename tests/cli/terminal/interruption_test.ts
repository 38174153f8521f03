/** What signals do to a command: the first asks, the second ends, and after it they are as before. */

import assert from "node:assert/strict";
import { Interrupted, Interruption } from "../../../src/cli/terminal/interruption.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { Peer, PROJECT } from "../../support/peer.ts";
import { toEnd } from "../command_line.ts";

guardAgainstLeaks();

const CODES = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;
const SIGNALS = Object.keys(CODES) as (keyof typeof CODES)[];

/** A program that uses `interruption` and says `ready` when signals may come. */
function program(body: string): Peer {
  return Peer.typescript(`
    import { Interrupted, Interruption } from "file://${PROJECT}src/cli/terminal/interruption.ts";
    const ready = (): void => console.log("ready");
    const forever = new Promise<never>(() => setInterval(() => {}, 1000));
    ${body}`);
}

Deno.test("Interrupted: the exit code that shells expect, and the signal's name", () => {
  for (const name of SIGNALS) {
    const interrupted = new Interrupted(name);
    assert.equal(interrupted.exitCode, CODES[name]);
    assert.equal(interrupted.message, `ended by ${name}`);
    assert.equal(interrupted.exitCodeOfEndless, name === "SIGINT" ? 0 : CODES[name]);
  }
});

Deno.test("Interruption: not aborted without a signal, and leaves no listener", () => {
  using interruption = new Interruption();
  assert.equal(interruption.signal.aborted, false);
});

for (const name of SIGNALS) {
  testWith({ tools: ["deno"] }, `Interruption: ${name} aborts with its name`, async () => {
    const peer = program(`
      using interruption = new Interruption();
      interruption.signal.addEventListener("abort", () => {
        const { reason } = interruption.signal;
        console.log(reason instanceof Interrupted, reason.exitCode);
        Deno.exit(0);
      });
      ready();
      await forever;`);
    assert.equal(await peer.line(), "ready");
    peer.kill(name);
    assert.equal((await toEnd(peer)).stdout, `ready\ntrue ${CODES[name]}\n`);
  });

  testWith({ tools: ["deno"] }, `Interruption: ${name} as the second signal ends`, async () => {
    const peer = program(`
      using interruption = new Interruption();
      interruption.signal.addEventListener("abort", ready);
      console.log("first");
      await forever;`);
    assert.equal(await peer.line(), "first");
    peer.kill("SIGTERM");
    assert.equal(await peer.line(), "ready");
    peer.kill(name);
    const { code, signal } = await toEnd(peer);
    assert.deepEqual([code, signal], [CODES[name], null]);
  });

  testWith(
    { tools: ["deno"] },
    `Interruption: once disposed, ${name} kills again`,
    async () => {
      const peer = program(`
      new Interruption()[Symbol.dispose]();
      ready();
      await forever;`);
      assert.equal(await peer.line(), "ready");
      peer.kill(name);
      assert.equal((await toEnd(peer)).signal, name);
    },
  );
}

testWith(
  { tools: ["deno", "nohup"] },
  "Interruption: under nohup SIGHUP is ignored, SIGTERM is not",
  async () => {
    const peer = Peer.start("nohup", [
      Deno.execPath(),
      "eval",
      "--ext=ts",
      `import { Interruption } from "file://${PROJECT}src/cli/terminal/interruption.ts";
    const interruption = new Interruption();
    console.log("ready");
    interruption.signal.addEventListener("abort", () => {
      console.log(interruption.signal.reason.signalName);
      Deno.exit(0);
    });
    setInterval(() => {}, 1000);`,
    ]);
    assert.equal(await peer.line(), "ready");
    peer.kill("SIGHUP");
    peer.kill("SIGTERM");
    assert.equal((await toEnd(peer)).stdout, "ready\nSIGTERM\n");
  },
);
