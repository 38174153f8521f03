/**
 * Signals: the second ends the process, and after an interruption they are as before. What the first one
 * does to a command is in `receiving_test.ts`.
 */

import assert from "node:assert/strict";
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
    import { Interruption } from "file://${PROJECT}src/cli/terminal/interruption.ts";
    const ready = (): void => console.log("ready");
    const forever = new Promise<never>(() => setInterval(() => {}, 1000));
    ${body}`);
}

for (const name of SIGNALS) {
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
