/**
 * The conformance suite, each case once between each two languages: `deno task interop` prints the matrix.
 * The processes are started once, and anew where a case has killed them.
 */

import assert from "node:assert/strict";
import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { LANGUAGES } from "./conformance/languages.ts";
import { table } from "./conformance/matrix.ts";
import { Stage } from "./conformance/scene.ts";
import { GROUPS, SUITE } from "./conformance/suite.ts";

guardAgainstLeaks();

let folder: TestFolder | undefined;
let stage: Stage | undefined;

/** The stage of all tests. With `--allow-ffi` alone none of them runs, and it may not be made. */
function theStage(): Stage {
  folder ??= new TestFolder();
  return stage ??= new Stage(folder);
}

Deno.test.afterAll(async () => {
  await stage?.[Symbol.asyncDispose]();
  folder?.[Symbol.dispose]();
});

Deno.test("deno task interop: each cell has the cases that passed and all cases", () => {
  const [mailbox, channel] = [SUITE["mailbox"]!, SUITE["channel"]!];
  const columns = [
    { head: "TS-C", failures: new Map([[channel[0]!, new Error()], [channel[1]!, new Error()]]) },
    { head: "C-C", failures: new Map() },
  ];
  const all = channel.length;
  assert.deepEqual(table([["mailbox", mailbox.slice(0, 9)], ["channel", channel]], columns, true), [
    "|         | TS-C  | C-C   |",
    "| ------- | ----- | ----- |",
    "| mailbox | 9/9   | 9/9   |",
    `| channel | ${all - 2}/${all} | ${all}/${all} |`,
  ]);
});

for (const sender of LANGUAGES) {
  for (const receiver of LANGUAGES) {
    const tools = [...sender.needs.tools ?? [], ...receiver.needs.tools ?? []];
    for (const { name, cases } of GROUPS) {
      testWith({ tools, files: true }, `${sender.name} to ${receiver.name}, ${name}`, async () => {
        const [failure] = (await theStage().play(cases, sender, receiver)).values();
        if (failure !== undefined) throw failure;
      });
    }
  }
}
