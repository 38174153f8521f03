/**
 * `cli.ts top` on a real terminal, at 80x24 and narrower: what it shows of segments that others made,
 * what its keys do to them, and that it leaves the terminal as it was however it ends.
 */

import assert from "node:assert/strict";
import { Channel, listSegments, Segment, statSegment } from "../../../mod.ts";
import { ForeignObject, perlSegment } from "../../support/foreign_objects.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { asNobody } from "../../support/other_user.ts";
import { freshKey, PROJECT, TestFolder } from "../../support/peer.ts";
import { ON_TERMINAL } from "../../support/terminal.ts";
import { assertFailed, runHere, toEnd, until } from "../command_line.ts";
import { Session } from "../on_screen.ts";

guardAgainstLeaks();

const SCREEN = {
  ...ON_TERMINAL,
  tools: [...ON_TERMINAL.tools!, "stty", "ipcmk", "ipcrm", "perl"],
};

/** A terminal that has a line for every segment, however many other programs have. */
const TALL = { rows: 400 };

/** Moves the selection to the segment, wherever it is among those there are. */
async function select(session: Session, id: number): Promise<void> {
  const row = new RegExp(`^..(0x\\w+)? +${id} `);
  for (;;) {
    // Help comes and goes: all keys before it were obeyed, so none can move what is selected then
    await session.type("?");
    await session.sees(/^Up, Down, k, j/m);
    await session.type("?");
    let away = 0;
    await session.until(({ lines }) => {
      const from = lines.findIndex((line) => line.startsWith(">"));
      const to = lines.findIndex((line) => row.test(line));
      away = to - from;
      return from !== -1 && to !== -1;
    });
    if (away === 0) return;
    await session.type((away > 0 ? "j" : "k").repeat(Math.abs(away)));
  }
}

testWith(SCREEN, "top: shows segments and changes, and removes one after a question", async () => {
  using folder = new TestFolder();
  using made = ForeignObject.segment(12345, "0640");
  await using session = Session.start(folder, TALL, "top", "--interval", "200ms");
  await session.sees("q quit");
  await select(session, made.id);
  await session.sees(new RegExp(`^>.* ${made.id} \\w+ +0640 +12K +0 .* (orphan|idle) `, "m"));

  await using held = await perlSegment({ key: freshKey(), size: 100, times: 2 });
  const { perl, id } = held;
  await session.sees(new RegExp(`^ \\+0x\\w+ +${id} .* 100 +2 new `, "m"));
  await session.sees(new RegExp(`^  0x\\w+ +${id} .* 100 +2  `, "m"));
  // The selection stays where it was, whatever comes
  await session.sees(new RegExp(`^>.* ${made.id} `, "m"));
  {
    using _ours = Segment.attach(id, { trust: true });
    await session.sees(new RegExp(`^ \\*.* ${id} .* 3 \\+1 `, "m"));
  }
  await session.sees(new RegExp(`^ \\*.* ${id} .* 2 -1 `, "m"));

  await select(session, id);
  await session.type("d");
  await session.sees(
    new RegExp(`^remove segment ${id} \\(key 0x\\w+\\), 2 attached\\? y/N$`, "m"),
  );
  await session.type("n");
  await session.sees("not removed");
  assert.equal(statSegment(id).markedForRemoval, false);
  await session.type("d");
  await session.sees("y/N");
  await session.type("y");
  await session.sees(`segment ${id} marked for removal: it goes when its 2 attaches do`);
  assert.equal(statSegment(id).markedForRemoval, true);
  await session.sees(new RegExp(`^>.0x00000000 +${id} .* dest `, "m"));
  await perl.endInput();
  await session.sees(new RegExp(`^>-.* ${id} .* gone `, "m"));

  await select(session, made.id);
  await session.type("\x1b[3~");
  await session.sees(/(orphan|may be needed)\? y\/N/);
  await session.type("y");
  await session.sees(`segment ${made.id} removed`);
  assert(!listSegments().some((each) => each.id === made.id));
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "top: a key before the question is not an answer, nor is a paste", async () => {
  using folder = new TestFolder();
  using made = ForeignObject.segment(100);
  await using session = Session.start(folder, TALL, "top");
  await session.sees("q quit");
  await select(session, made.id);
  await session.type("\x1b[200~dyq\x1b[201~dyyy");
  await session.sees("y/N");
  await session.type("n");
  await session.sees("not removed");
  assert.equal(statSegment(made.id).size, 100);
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "top: one segment and its first bytes, read if no last pid is lost", async () => {
  using folder = new TestFolder();
  const key = freshKey();
  await using held = await perlSegment({ key, size: 64, mode: 0o604 });
  const { perl, id } = held;
  using segment = Segment.attach(id, { trust: true });
  segment.write(new TextEncoder().encode("hello\x1b[2J"));
  await using session = Session.start(folder, TALL, "top");
  await session.sees("q quit");
  await select(session, id);
  await session.type("\r");
  await session.sees("00000000  68 65 6c 6c 6f 1b 5b 32  4a 00 00 00");
  await session.sees("|hello.[2J.......|");
  await session.sees(`key              ${key} (0x${key.toString(16)})`);
  await session.sees("mode             0604 rw----r--");
  await session.sees("attached         2 times\n");
  await session.sees(`created by       pid ${perl.pid} (alive)`);
  const { lpid } = statSegment(id);
  assert.equal(lpid, session.pid, "it was attached to be read");

  using made = ForeignObject.segment(100);
  await session.type("q ");
  await select(session, made.id);
  await session.type("i");
  await session.sees("not read: that would change the last pid; x reads them");
  assert.equal(statSegment(made.id).lpid, 0);
  await session.type("x");
  await session.sees("00000060  00 00 00 00    ");
  assert.equal(statSegment(made.id).lpid, session.pid);
  assert.equal(statSegment(made.id).nattch, 0);
  await session.type("d");
  await session.sees("y/N");
  await session.type("y");
  await session.sees(`segment ${made.id} is gone; what it was:`);
  await session.type("\x03");
  assert.equal(await session.ended(), 0);
  segment.remove();
});

testWith(SCREEN, "top: depth and rate of a channel, in the list and on its page", async () => {
  using folder = new TestFolder();
  using channel = Channel.openOrCreate({ key: freshKey(), lanes: 2, laneCapacity: 4096 });
  const { id } = channel;
  using producer = channel.producer();
  using consumer = channel.consumer();
  producer.sendBatch([Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
  await using session = Session.start(folder, TALL, "top", "--interval", "200ms");
  await session.sees(new RegExp(`^  KEY .* CHANGE DEPTH MSG/S KIND +STATUS\\b`, "m"));
  await session.sees(new RegExp(`^.*0x\\w+ +${id} .* 8\\.8K +1 +3 +0 `, "m"));
  consumer.drain(() => {});
  producer.sendBatch(Array.from({ length: 200 }, () => new Uint8Array(1)));
  await session.sees(new RegExp(`^.*0x\\w+ +${id} .* 8\\.8K +1 +200 +[1-9]\\S* `, "m"));
  await select(session, id);
  await session.type("\r");
  await session.sees(/^lanes +2 of 4096 bytes \(4K\)$/m);
  await session.sees(/^waiting +200, 3200 bytes \(3\.1K\) in all\never +203, 0\/s$/m);
  const { pid } = Deno;
  await session.sees(new RegExp(`^producers +1: pid ${pid}\nconsumer +pid ${pid}$`, "m"));
  consumer.drain(() => {});
  await session.sees(/^waiting +none$/m);
  producer.close();
  consumer.close();
  await session.sees(/^producers +0\nconsumer +none$/m);
  await session.type("\x03");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "top: draws at any size, and at a new size at any time", async () => {
  using folder = new TestFolder();
  using _made = ForeignObject.segment(100);
  await using session = Session.start(folder, { columns: 40, rows: 10 }, "top");
  await session.until(({ lines }) =>
    lines.length === 10 && /^ +ID OWNER .*SIZE ATT/.test(lines[2]!) && /^q quit/.test(lines[9]!)
  );
  session.resize(20, 5);
  await session.until(({ lines }) =>
    /^>.* 100 +0$/.test(lines[2] ?? lines[1]!) || lines.some((line) => /^>/.test(line))
  );
  await session.type("?");
  await session.sees(/^Up, Down, k, j/m);
  session.resize(120, 40);
  await session.until(({ lines }) => lines[2]!.startsWith("Up, Down, k, j     the previous row"));
  await session.type("q");
  await session.sees(/^ +KEY .* STATUS +CPID +LPID$/m);
  session.resize(7, 2);
  await session.until(({ lines }) => lines.at(-1) === "q quit");
  session.resize(80, 24);
  await session.until(({ lines }) => lines[23]!.startsWith("q quit  ? help  Enter inspect"));
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

for (
  const [how, end, code] of [
    ["q", "q", 0],
    ["Escape", "\x1b", 0],
    ["Ctrl-C", "\x03", 0],
    ["SIGINT", "SIGINT", 0],
    ["SIGTERM", "SIGTERM", 143],
    ["SIGHUP", "SIGHUP", 129],
    ["SIGQUIT", "SIGQUIT", 131],
  ] as const
) {
  testWith(SCREEN, `top: ${how} ends it and leaves the terminal as it was`, async () => {
    using folder = new TestFolder();
    await using session = Session.start(folder, TALL, "top");
    await session.sees("q quit");
    if (end.startsWith("SIG")) Deno.kill(session.pid, end as Deno.Signal);
    else await session.type(end);
    assert.equal(await session.ended(), code);
    assert.match(session.screen.text, /^process \d+\n\nexit \d+\nafter /m, "nothing of it stays");
  });
}

for (const nohup of [false, true]) {
  const name = `top: it ends with its terminal${nohup ? ", also where SIGHUP is ignored" : ""}`;
  testWith({ ...SCREEN, tools: [...SCREEN.tools, "ps"] }, name, async () => {
    using folder = new TestFolder();
    await using session = Session.start(folder, { ...TALL, nohup }, "top", "--interval", "1m");
    await session.sees("q quit");
    const { pid } = session;
    session.close();
    await until(() => !alive(pid));
    if (nohup) assert.equal(await session.codeAfterClose(), 0);
  });
}

function alive(pid: number): boolean {
  const { stdout } = new Deno.Command("ps", { args: ["-o", "stat=", "-p", `${pid}`] }).outputSync();
  return !/^(?:Z.*)?$/.test(new TextDecoder().decode(stdout).trim());
}

testWith(SCREEN, "top: colours, and none under NO_COLOR", async () => {
  using folder = new TestFolder();
  using made = ForeignObject.segment(100);
  for (const colours of [true, false]) {
    await using session = Session.start(folder, { ...TALL, colours }, "top", "--mine");
    await session.sees(new RegExp(`^..0x.* ${made.id} `, "m"));
    assert.equal(session.screen.styled("7").some((text) => text.startsWith(">")), colours);
    // deno-lint-ignore no-control-regex
    assert.equal(/\x1b\[[1-9;]+m/.test(session.written), colours);
    await session.type("q");
    assert.equal(await session.ended(), 0);
  }
});

testWith(SCREEN, "top: with -A the attached processes", async () => {
  using folder = new TestFolder();
  await using held = await perlSegment({ key: freshKey(), size: 100 });
  await using session = Session.start(folder, { ...TALL, all: true, columns: 100 }, "top");
  await session.sees(new RegExp(` ${held.id} .* 100 +1 .* ${held.perl.pid} perl$`, "m"));
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

testWith(SCREEN, "top --mine, --older-than, --sort, -r: choose and sort", async () => {
  using folder = new TestFolder();
  using small = ForeignObject.segment(100);
  using large = ForeignObject.segment(1_000_000);
  const options = ["--mine", "--older-than", "0", "--sort", "SIZE", "-r", "--interval", "1m"];
  await using session = Session.start(folder, TALL, "top", ...options);
  await session.sees(new RegExp(` ${large.id} [^]* ${small.id} `));
  await session.sees("only mine, older-than 0");
  await session.sees("by size, reversed  every 1m");
  await session.type("q");
  assert.equal(await session.ended(), 0);
});

Deno.test("top: an error without a terminal", async () => {
  assertFailed(
    await runHere("top"),
    /top draws on a terminal, and there is none: `[^`]+cli.ts ls` /,
  );
});

testWith(
  { tools: ["deno", "ipcmk", "ipcrm"], root: true },
  "top: a refused removal or read is a message",
  async () => {
    using made = ForeignObject.segment(100, "0600");
    const { stdout } = await toEnd(asNobody(`
      import { firstBytes, remove, snapshot } from "file://${PROJECT}src/cli/top/top_actions.ts";
      const row = snapshot().segments.find(({ id }) => id === ${made.id});
      console.log(remove({ ...row, change: "" }));
      console.log(firstBytes(${made.id}).why);
    `));
    const [removing, reading] = stdout.split("\n");
    assert.match(removing!, /^cannot remove the segment: shmctl for id \d+: EPERM, .*owner/);
    assert.match(reading!, /^cannot attach .*: shmat for id \d+: EACCES, /);
    assert.equal(statSegment(made.id).markedForRemoval, false);
  },
);
