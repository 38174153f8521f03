/** The terminal as a screen: what is drawn, what comes in, and that it is given back as it was. */

import assert from "node:assert/strict";
import { readFileStart } from "../../../ffi/files.ts";
import { testWith } from "../../support/needs.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { TestFolder } from "../../support/peer.ts";
import { ON_TERMINAL } from "../../support/terminal.ts";
import { until } from "../command_line.ts";
import { Session } from "../on_screen.ts";

guardAgainstLeaks();

const SCREEN = { ...ON_TERMINAL, tools: [...ON_TERMINAL.tools!, "stty"] };

/** Shows every event on a line of its own; `q` ends it as `atEnd` says. */
function eventsProgram(atEnd: string): string {
  return `
    const never = new AbortController().signal;
    const seen = ["ready"];
    async function run() {
      using screen = new Screen();
      for (;;) {
        const { columns, rows } = screen.size;
        const lines = [[{ text: columns + "x" + rows }], ...seen.map((text) => [{ text }])];
        await screen.draw(lines);
        const event = await screen.next(60_000, never);
        if (event.kind === "key" && event.key === "q") { ${atEnd} }
        if (event.kind === "key" && event.key === "s") {
          await new Promise((resolve) => setTimeout(resolve, 500));
          screen.forgetKeys();
        }
        seen.push(event.kind === "key" ? "key " + event.key : event.kind);
      }
    }
    await run();
    Deno.exit(0);`;
}

for (
  const [name, atEnd, code] of [
    ["returning", "return;", 0],
    ["an exception", 'throw new TypeError("on purpose");', 1],
    [
      "an uncaught exception",
      'setTimeout(() => { throw new Error("on purpose"); }); continue;',
      1,
    ],
    ["an unhandled rejection", 'Promise.reject(new Error("on purpose")); continue;', 1],
    ["Deno.exit", "Deno.exit(7);", 7],
  ] as const
) {
  testWith(SCREEN, `Screen: given back after ${name}`, async () => {
    using folder = new TestFolder();
    await using session = Session.program(folder, {}, eventsProgram(atEnd));
    await session.sees(/^80x24\nready$/m);
    const { alternate, cursorVisible, wraps, bracketedPaste } = session.screen;
    assert.deepEqual([alternate, cursorVisible, wraps, bracketedPaste], [true, false, false, true]);
    await session.type("q");
    assert.equal(await session.ended(), code);
    assert.equal(session.screen.text.includes("on purpose"), code === 1, "on the usual screen");
  });
}

testWith(SCREEN, "Screen: keys one by one, without echo", async () => {
  using folder = new TestFolder();
  await using session = Session.program(folder, {}, eventsProgram("return;"));
  await session.sees("ready");
  await session.type("a\x1b[A\x03");
  await session.sees(/^key a\nkey up\nkey ctrl-c$/m);
  await session.type("\x1b");
  await session.sees(/^key ctrl-c\nkey escape$/m);
  // What a slow line cuts in two is one key all the same
  await session.type("\x1b");
  await session.type("[B");
  await session.sees(/^key escape\nkey down$/m);
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "Screen: keys pressed before a question can be forgotten", async () => {
  using folder = new TestFolder();
  await using session = Session.program(folder, {}, eventsProgram("return;"));
  await session.sees("ready");
  await session.type("syyy");
  await session.sees("key s");
  await session.type("a");
  await session.sees(/^ready\nkey s\nkey a$/m);
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "Screen: a new size is an event, and clears the old frame", async () => {
  using folder = new TestFolder();
  await using session = Session.program(folder, {}, eventsProgram("return;"));
  await session.sees(/^80x24\nready$/m);
  session.resize(30, 7);
  // stty changes columns and rows one after the other, so there may be two events
  const shows = (...expected: readonly string[]): Promise<void> =>
    session.until(({ lines }) => [...new Set(lines)].join() === expected.join());
  await shows("30x7", "ready", "resize", "");
  session.resize(100, 3);
  await shows("100x3", "ready", "resize");
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

function isStopped(pid: number): boolean {
  const status = readFileStart(`/proc/${pid}/status`, 4096);
  return typeof status !== "number" && /^State:\tT/m.test(new TextDecoder().decode(status));
}

testWith(SCREEN, "Screen: SIGTSTP restores the terminal and stops, SIGCONT takes it", async () => {
  using folder = new TestFolder();
  await using session = Session.program(folder, {}, eventsProgram("return;"));
  await session.sees("ready");
  for (const resizes of ["resize", "resize\\nresize"]) {
    Deno.kill(session.pid, "SIGTSTP");
    await session.until(({ alternate, cursorVisible }) => !alternate && cursorVisible);
    await until(() => isStopped(session.pid));
    Deno.kill(session.pid, "SIGCONT");
    await session.sees(new RegExp(`^ready\\n${resizes}$`, "m"));
    assert.equal(session.screen.alternate, true);
  }
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "Screen: after a stop it takes the terminal and draws all of it", async () => {
  using folder = new TestFolder();
  await using session = Session.program(folder, {}, eventsProgram("return;"));
  await session.sees("ready");
  Deno.kill(session.pid, "SIGSTOP");
  const before = session.written.length;
  Deno.kill(session.pid, "SIGCONT");
  await session.sees(/^ready\nresize$/m);
  assert(session.written.slice(before).includes("\x1b[?1049h"));
  assert(session.written.slice(before).includes("\x1b[2J"));
  await session.type("xq");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "Screen: lines as long as the terminal or longer stay on their row", async () => {
  using folder = new TestFolder();
  await using session = Session.program(
    folder,
    { columns: 10, rows: 4 },
    `using screen = new Screen();
    const lines = ["0123456789", "0123456789ab", "日本語日本語", "last row!!", "below"];
    await screen.draw(lines.map((text) => [{ text, format: "red" }]));
    await screen.draw(lines.map((text) => [{ text }]));
    await screen.next(60_000, new AbortController().signal);
    screen[Symbol.dispose]();
    Deno.exit(0);`,
  );
  await session.until(({ lines }) =>
    lines.join() === "0123456789,0123456789,日本語日本,last row!!"
  );
  await session.type("x");
  assert.equal(await session.ended(), 0);
});
