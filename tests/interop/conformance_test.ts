/**
 * The conformance suite, each case once between each two languages: `deno task interop` prints the matrix.
 * The processes are started once, and anew where a case has killed them.
 */

import { guardAgainstLeaks } from "../support/leaks.ts";
import { testWith } from "../support/needs.ts";
import { TestFolder } from "../support/peer.ts";
import { LANGUAGES } from "./conformance/languages.ts";
import { Stage } from "./conformance/scene.ts";
import { GROUPS } from "./conformance/suite.ts";

guardAgainstLeaks();

let folder: TestFolder;
let stage: Stage;
Deno.test.beforeAll(() => {
  folder = new TestFolder();
  stage = new Stage(folder);
});
Deno.test.afterAll(async () => {
  await stage[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

for (const sender of LANGUAGES) {
  for (const receiver of LANGUAGES) {
    const tools = [...sender.needs.tools ?? [], ...receiver.needs.tools ?? []];
    for (const { name, cases } of GROUPS) {
      testWith({ tools, files: true }, `${sender.name} to ${receiver.name}, ${name}`, async () => {
        const [failure] = (await stage.play(cases, sender, receiver)).values();
        if (failure !== undefined) throw failure;
      });
    }
  }
}
