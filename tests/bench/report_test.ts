/** `bench/report.ts` and `bench/plots.ts` */

import assert from "node:assert/strict";
import { plots } from "../../bench/plots.ts";
import { REASONS } from "../../bench/reasons.ts";
import { report, tables } from "../../bench/report.ts";
import { MEASURES } from "../../bench/result.ts";
import { TARGETS } from "../../bench/targets.ts";
import { blocks } from "../support/console.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

const percentiles = { p50: 1000, p90: 2000, p99: 3000, p999: 4000, max: 5000, samples: 3 };
const full = madeUpResult([
  madeUpCase("roundTrip/mailbox-await/unpinned", [9e3, 10e3, 11e3], { percentiles }),
  madeUpCase("roundTrip/mailbox-await/no-io_uring", [9e3, 10e3, 11e3], { percentiles }),
  madeUpCase("roundTrip/deno-unix/unpinned", [30e3, 31e3, 32e3], { percentiles }),
  madeUpCase("wake/mailbox-await/unpinned", [180e3, 182e3, 184e3], { percentiles }),
  madeUpCase("wake/deno-unix/unpinned", [90e3, 91e3, 92e3], { percentiles }),
  madeUpCase("payload/channel-ts-ts/64", [10e6, 11e6, 12e6]),
  madeUpCase("payload/deno-unix-batch/64", [4e6, 5e6, 6e6]),
  madeUpCase("payload/channel-await/each", [1e6, 2e6, 3e6]),
  madeUpCase("lines/cli/20000", [9e3, 10e3, 11e3]),
  madeUpCase("clients/mailbox-await/6", [1e5, 2e5, 3e5]),
  madeUpCase("idle/deno-unix/unpinned", [0.001, 0.002, 0.003]),
  madeUpCase("startUp/deno-empty/-", [20, 20, 20]),
  madeUpCase("startUp/cli/ls", [70, 71, 72]),
  madeUpCase("lifecycle/ts/mailboxJoin+4000", [1e4, 2e4, 3e4]),
  madeUpCase("bridge/bridge/bridge out", [2e4, 3e4, 4e4]),
  madeUpCase("roundTrip/deno-unix/pinned", [20e3, 21e3, 22e3], { percentiles }),
  madeUpCase("roundTrip/channel-ts-ts/spinning", [300, 310, 320], { percentiles }),
  madeUpCase("throughput/channel-ts-ts/64", [30e6, 31e6, 32e6], {
    beside: { cpuSecondsPerMillion: [0.05, 0.06, 0.07], rssBytes: [2 ** 20, 2 ** 20, 2 ** 20] },
  }),
  madeUpCase("throughput/channel-c-c/64", [60e6, 62e6, 64e6]),
  madeUpCase("throughput/channel-await/64", [1e6, 2e6, 3e6]),
  madeUpCase("throughput/deno-unix/64", [5e5, 6e5, 7e5], {
    beside: { cpuSecondsPerMillion: [1, 2, 3], rssBytes: [2 ** 21, 2 ** 21, 2 ** 21] },
  }),
  madeUpCase("producers/channel-ts-ts/1", [1e6, 2e6, 3e6]),
  madeUpCase("allocation/channel-ts-ts/drain", [0.1, 0.2, 0.3]),
  madeUpCase("fields/fields/i32/typed array", [1, 2, 3]),
]);

/** What stands under a heading, to the next one. */
function under(page: string, title: string): string {
  const [, text] = page.split(new RegExp(`\n###? ${title}\n`)) as [string, string?];
  assert(text !== undefined, title);
  return text.split(/\n###? /)[0]!;
}

Deno.test("report: the page has its sections in this order: as programs are run first, pinned after", () => {
  const titles = [...report(full, "some.json").matchAll(/^##+ (.*)$/gm)].map(([, title]) => title);
  assert.deepEqual(titles, [
    "In short",
    "Running it",
    "The machine",
    "Targets",
    "What is missed, and why",
    "As programs are run",
    "Round trips, flowing",
    "Round trips, woken",
    "Payloads",
    "Lines through the command",
    "Several clients of a mailbox",
    "Idle",
    "Start-up",
    "Opening and leaving",
    "Past one machine",
    "Pinned",
    "Round trips by promises and system calls, pinned",
    "Round trips, spinning",
    "Throughput, batched",
    "Throughput, one by one",
    "CPU time and memory, 64 B",
    "Several producers",
    "Allocation",
    "Struct fields",
    "Long runs",
    "How it is measured",
    "What the figures do not show",
    "Not run",
  ]);
});

Deno.test("report: every section has its table, with the figures of its measure and their spread", () => {
  const page = report(full, "some.json");
  assert(page.includes("[`results/some.json`](results/some.json)"));
  const percents = "1.00 us | 2.00 us | 3.00 us | 4.00 us | 5.00 us";
  const mailbox = "mailbox, promises (await send, for await)";
  for (
    const [title, row] of [
      ["Round trips, flowing", `Unix socket, Deno | ${percents} | 30.0 us to 32.0 us | 3`],
      [
        "Round trips, flowing",
        `${mailbox}, io_uring denied | ${percents} | 9.00 us to 11.0 us | 3`,
      ],
      ["Round trips, woken", `Unix socket, Deno | ${percents} | 90.0 us to 92.0 us | 3`],
      ["Payloads", "channel, TS to TS | 11.0 M msg/s (10.0 M msg/s to 12.0 M msg/s) | "],
      ["Lines through the command", "cli.ts, 20000 | 10.0 us (9.00 us to 11.0 us)"],
      [
        "Several clients of a mailbox",
        `${mailbox}, 6 | 200 k msg/s (100 k msg/s to 300 k msg/s)`,
      ],
      ["Idle", "Unix socket, Deno | 0.200% (0.100% to 0.300%)"],
      ["Start-up", "cli.ts, ls | 71.0 ms (70.0 ms to 72.0 ms) | 3.55x"],
      [
        "Opening and leaving",
        "open a mailbox that exists, leave; 4000 others | 20.0 us (10.0 us to 30.0 us)",
      ],
      ["Past one machine", "bridge out | 30.0 k msg/s (20.0 k msg/s to 40.0 k msg/s)"],
      [
        "Round trips by promises and system calls, pinned",
        `Unix socket, Deno | ${percents} | 20.0 us to 22.0 us | 3`,
      ],
      ["Round trips, spinning", `channel, TS to TS | ${percents} | 300 ns to 320 ns | 3`],
      ["Throughput, batched", "channel, TS to TS | 31.0 M msg/s (30.0 M msg/s to 32.0 M msg/s)"],
      ["Throughput, batched", "C twin of the channel | 0.500x"],
      ["Throughput, one by one", "Unix socket, Deno | 600 k msg/s (500 k msg/s to 700 k msg/s)"],
      ["Throughput, one by one", "Unix socket, Deno | 3.33x"],
      ["CPU time and memory, 64 B", "Unix socket, Deno | 2.00 | 2.00 MiB"],
      ["Several producers", "channel, TS to TS | 2.00 M msg/s (1.00 M msg/s to 3.00 M msg/s)"],
      ["Allocation", "channel, TS to TS, drain | 0.200 (0.100 to 0.300)"],
      ["Struct fields", "i32 | 2.00 ns (1.00 ns to 3.00 ns)"],
    ] as const
  ) {
    assert(under(page, title).includes(`\n| ${row} |`), `${title}: ${row}`);
  }
});

Deno.test("report: like is beside like: what sends batches is in no table with what sends one by one", () => {
  const page = report(full, "some.json");
  assert.doesNotMatch(under(page, "Throughput, batched"), /Unix socket, Deno \||promises/);
  assert.doesNotMatch(under(page, "Throughput, one by one"), /TS to TS|C twin/);
});

Deno.test("report: no measure is left out: a case of it alone has a table", () => {
  for (const measure of Object.keys(MEASURES)) {
    const variant = measure === "fields" ? "i32/DataView" : "64";
    for (const way of measure === "roundTrip" ? ["unpinned", "pinned", "spinning"] : [variant]) {
      const one = madeUpCase(`${measure}/channel-ts-ts/${way}`, [12_345]);
      const text = tables(madeUpResult([one]));
      const rest = text.slice(text.indexOf("\n## ", text.indexOf("## Targets") + 1));
      assert.match(rest, /\n\| .*12[.,]?3/, `${measure} ${way}`);
    }
  }
});

/** The cells of the target of that name. */
function targetRow(text: string, name: string): string[] | undefined {
  const row = under(text, "Targets").split("\n").find((one) => one.startsWith(`| ${name}: `));
  return row?.split("|").slice(2, -1).map((cell) => cell.trim());
}

Deno.test("report: the page says of each target whether it is met, and what is missed is bold", () => {
  const page = report(full, "some.json");
  assert.deepEqual(targetRow(page, "mailbox-flowing"), [
    "0.323x",
    "10.0 us beside 31.0 us",
    "yes",
  ]);
  assert.deepEqual(targetRow(page, "mailbox-woken"), [
    "**2.00x**",
    "182 us beside 91.0 us",
    "**no**",
  ]);
  assert.deepEqual(targetRow(page, "lines"), ["10.0 us", "", "yes"]);
  assert.deepEqual(targetRow(page, "spinning"), ["-", "310 ns beside -", "no figure"]);
});

Deno.test("report: a part of a run leaves out the targets that it has no figures for", () => {
  const cases = full.cases.filter(({ measure }) => measure === "wake");
  const text = `\n${tables(madeUpResult(cases, { only: "mailbox-woken" }))}`;
  assert.deepEqual(targetRow(text, "mailbox-woken")?.at(0), "**2.00x**");
  assert.equal(targetRow(text, "spinning"), undefined);
  assert.match(tables(madeUpResult([], { only: "idle" })), /cases of no target ran/);
});

Deno.test("report: the page names all runs that are kept, and what each target has in each of them", () => {
  const earlier = madeUpResult([madeUpCase("lines/cli/20000", [40e3])], {
    date: "2026-01-01T00:00:00.000Z",
    commit: "0dd1e55",
  });
  const page = report(full, "b.json", [
    { file: "a.json", result: earlier },
    { file: "b.json", result: full },
  ]);
  assert.deepEqual(targetRow(page, "lines"), ["10.0 us", "", "yes", "**40.0 us**", "10.0 us"]);
  const targets = under(page, "Targets");
  assert.match(
    targets,
    /\n- run 1: \[`results\/a\.json`\]\(results\/a\.json\), .* commit 0dd1e55, 3 rounds\n/,
  );
  assert.match(targets, /\n- run 2: \[`results\/b\.json`\].*: the figures of this page\n/);
});

Deno.test("report: a target that this run or a kept one misses is listed with the reason", () => {
  const slow = madeUpResult([madeUpCase("lines/cli/20000", [40e3])]);
  const alone = under(report(full, "b.json"), "What is missed, and why");
  assert.match(alone, /- \*\*mailbox-woken\*\*: After a silence/);
  assert.doesNotMatch(alone, /lines/);
  const both = report(full, "b.json", [{ file: "a.json", result: slow }]);
  assert.match(under(both, "What is missed, and why"), /- \*\*lines\*\*: /);
  for (const name of Object.keys(REASONS)) assert(TARGETS.some((one) => one.name === name), name);
});

Deno.test("report: the page begins with like beside like, the least flattering first", () => {
  const lines = under(report(full, "some.json"), "In short").trim().split("\n").slice(2);
  assert.deepEqual(lines, [
    "- 0.500x as fast as a Unix socket in Deno: a message through the mailbox, by promises, " +
    "woken after 3 ms (182 us beside 91.0 us).",
    "- 2.20x as fast as a Unix socket in Deno that writes batches: the channel, 64 B, batched, " +
    "payloads all distinct (11.0 M msg/s beside 5.00 M msg/s).",
    "- 3.10x as fast as a Unix socket in Deno: a message through the mailbox, by promises, " +
    "flowing (10.0 us beside 31.0 us).",
  ]);
  assert.doesNotMatch(report(madeUpResult([]), "some.json"), /In short/);
});

Deno.test("report: a measure that did not run has no section", () => {
  const text = tables(madeUpResult([madeUpCase("idle/deno-unix/unpinned", [0.001])]));
  assert.match(text, /\n### Idle\n/);
  assert.doesNotMatch(text, /\n##+ (Start-up|Pinned)\n/);
});

Deno.test("report: peers that did not run and cases that failed are listed, each with the reason", () => {
  const page = report(
    madeUpResult([
      madeUpCase("wake/deno-unix/unpinned", [1, 2], { failures: ["no end after 30 s"] }),
      madeUpCase("throughput/deno-unix/64", [], { failures: ["it died", "it died", "it died"] }),
    ], { notRun: [{ peer: "node-zeromq", reason: "no prebuilt binary" }] }),
    "some.json",
  );
  const listed = page.slice(page.indexOf("## Not run"));
  assert.match(listed, /\| zeromq ipc:\/\/, Node \| all \| no prebuilt binary \|/);
  assert.match(listed, /\| wake unpinned, 1 of 3 rounds \| no end after 30 s \|/);
  assert.match(listed, /\| throughput 64, 3 of 3 rounds \| it died \|/);
  assert.match(page, /\| Unix socket, Deno \| failed \|/);
  assert.match(report(full, "some.json"), /All peers ran, and no case failed\./);
});

Deno.test("report: a run that is not whole says so above its figures", () => {
  const caution = /This run was quick, and only `wake`/;
  assert.match(report({ ...full, quick: true, only: "wake" }, "some.json"), caution);
  assert.doesNotMatch(report(full, "some.json"), /This run was/);
});

Deno.test("report: its commands are marked as not to be run by the tests of the pages", () => {
  const page = report(full, "some.json");
  const all = blocks(page);
  assert(all.length > 0);
  assert(all.every(({ language, info }) => language === "sh" && info.startsWith("not-run: ")));
});

Deno.test("report: each picture on the page is drawn, and each that is drawn is on the page", () => {
  const page = report(full, "some.json");
  const shown = [...page.matchAll(/\(plots\/(\w+)\.svg\)/g)].map(([, name]) => name!);
  assert.deepEqual(shown.toSorted(), plots(full).map(({ name }) => name).toSorted());
  assert.equal(shown.length, 8);
  assert.deepEqual(plots(madeUpResult([])), []);
});
