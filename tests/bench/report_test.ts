/** `bench/report.ts` and `bench/plots.ts` */

import assert from "node:assert/strict";
import { plots } from "../../bench/plots.ts";
import { report, tables } from "../../bench/report.ts";
import { MEASURES } from "../../bench/result.ts";
import { blocks } from "../support/console.ts";
import { madeUpCase, madeUpResult } from "./made_up_result.ts";

const percentiles = { p50: 1000, p90: 2000, p99: 3000, p999: 4000, max: 5000, samples: 3 };
const full = madeUpResult([
  madeUpCase("throughput/channel-ts-ts/64", [30e6, 31e6, 32e6], {
    beside: { cpuSecondsPerMillion: [0.05, 0.06, 0.07], rssBytes: [2 ** 20, 2 ** 20, 2 ** 20] },
  }),
  madeUpCase("throughput/deno-unix/64", [5e5, 6e5, 7e5], {
    beside: { cpuSecondsPerMillion: [1, 2, 3], rssBytes: [2 ** 21, 2 ** 21, 2 ** 21] },
  }),
  madeUpCase("roundTrip/channel-ts-ts/64", [300, 310, 320], { percentiles }),
  madeUpCase("roundTrip/deno-unix/64", [30e3, 31e3, 32e3], { percentiles }),
  madeUpCase("wake/deno-unix/64", [90e3, 91e3, 92e3], { percentiles }),
  madeUpCase("producers/channel-ts-ts/1", [1e6, 2e6, 3e6]),
  madeUpCase("idle/deno-unix/-", [0.001, 0.002, 0.003]),
  madeUpCase("allocation/channel-ts-ts/drain", [0.1, 0.2, 0.3]),
  madeUpCase("startUp/cli/ls", [70, 71, 72]),
  madeUpCase("lifecycle/ts/create", [1e4, 2e4, 3e4]),
  madeUpCase("fields/fields/i32/typed array", [1, 2, 3]),
]);

Deno.test("every measure has its section, and a figure has its spread", () => {
  const page = report(full, "some.json");
  for (
    const title of [
      "In short",
      "Running it",
      "The machine",
      "Targets of the channel",
      "Ratios: throughput",
      "Ratios: round trips of 64 B",
      "Throughput",
      "Round trips",
      "Round trips after a pause",
      "CPU time and memory, 64 B",
      "Allocation",
      "Idle",
      "Several producers",
      "Start-up",
      "Coming and going",
      "Struct fields",
      "How it is measured",
      "What the figures do not show",
      "Not run",
    ]
  ) {
    assert(page.includes(`\n## ${title}\n`), title);
  }
  assert(page.includes("31.0 M msg/s (30.0 M msg/s to 32.0 M msg/s)"));
  assert(page.includes("| Unix socket, Deno | 51.7x |"), "31 M beside 0.6 M");
  assert(page.includes("| Unix socket, Deno | 100x |"), "31 us beside 310 ns");
  assert(page.includes("[`results/some.json`](results/some.json)"));
});

/** What stands under a heading of the second rank. */
function under(page: string, title: string): string {
  const [, text] = page.split(`\n## ${title}\n`) as [string, string?];
  assert(text !== undefined, title);
  return text.split("\n## ")[0]!;
}

Deno.test("every section has its table, with the figures of its measure", () => {
  const page = report(full, "some.json");
  const percents = "1.00 us | 2.00 us | 3.00 us | 4.00 us | 5.00 us";
  for (
    const [title, row] of [
      ["Ratios: throughput", "Unix socket, Deno | 51.7x"],
      ["Ratios: round trips of 64 B", "Unix socket, Deno | 100x | - | -"],
      ["Throughput", "Unix socket, Deno | 600 k msg/s (500 k msg/s to 700 k msg/s)"],
      ["Throughput", "Unix socket, Deno | 38.4 MB/s (32.0 MB/s to 44.8 MB/s)"],
      ["Round trips", `Unix socket, Deno | ${percents} | 30.0 us to 32.0 us | 3`],
      ["Round trips after a pause", `Unix socket, Deno | ${percents} | 90.0 us to 92.0 us | 3`],
      ["CPU time and memory, 64 B", "Unix socket, Deno | 2.00 | 2.00 MiB"],
      ["Allocation", "channel, TS to TS, drain | 0.200 (0.100 to 0.300)"],
      ["Idle", "Unix socket, Deno | 0.200% (0.100% to 0.300%)"],
      ["Several producers", "channel, TS to TS | 2.00 M msg/s (1.00 M msg/s to 3.00 M msg/s)"],
      ["Start-up", "cli.ts, ls | 71.0 ms (70.0 ms to 72.0 ms)"],
      [
        "Coming and going",
        "create a segment of 1 MiB, attach, remove, detach | 20.0 us (10.0 us to 30.0 us)",
      ],
      ["Struct fields", "i32 | 2.00 ns (1.00 ns to 3.00 ns)"],
    ] as const
  ) {
    assert(under(page, title).includes(`\n| ${row} |`), `${title}: ${row}`);
  }
});

Deno.test("no measure is left out: a case of it alone has a table", () => {
  for (const measure of Object.keys(MEASURES)) {
    const name = measure === "fields"
      ? "fields/fields/i32/DataView"
      : `${measure}/channel-ts-ts/64`;
    const one = madeUpCase(name, [12_345]);
    const text = tables(madeUpResult([one]));
    const rest = text.slice(text.indexOf("\n## ", text.indexOf("## Targets") + 1));
    assert.match(rest, /\n\| .*12[.,]?3/, measure);
  }
});

Deno.test("the page says of each target whether it is met: yes, no, or no figure", () => {
  const page = report(
    madeUpResult([
      madeUpCase("roundTrip/channel-await/64", [2000, 3000, 4000]),
      madeUpCase("idle/channel-await/-", [0.01, 0.02, 0.03]),
    ]),
    "some.json",
  );
  const rows = under(page, "Targets of the channel").split("\n");
  const said = (name: RegExp): string | undefined =>
    rows.find((row) => name.test(row))?.split(" | ").at(-1);
  assert.equal(said(/by await and for await/), "yes |");
  assert.equal(said(/idle consumer/), "**no** |");
  assert.equal(said(/woken after a pause/), "no figure |");
});

Deno.test("the page begins with what most came for, as far as there are figures", () => {
  const page = report(full, "some.json");
  const line =
    "- 31.0 M msg/s of 64 B from one Deno process to another: 51.7x a Unix socket in Deno.";
  assert(page.includes(`\n${line}\n`));
  assert(page.includes("takes 310 ns where both sides spin: 100x shorter than by a Unix socket."));
  assert.doesNotMatch(page, /By `await`/);
  assert.doesNotMatch(report(madeUpResult([]), "some.json"), /In short/);
});

Deno.test("a measure nobody ran has no section", () => {
  const text = tables(madeUpResult([madeUpCase("idle/deno-unix/-", [0.001])]));
  assert.match(text, /\n## Idle\n/);
  assert.doesNotMatch(text, /\n## Throughput\n/);
});

Deno.test("who did not run and what failed are listed, each with the reason", () => {
  const page = report(
    madeUpResult([
      madeUpCase("wake/deno-unix/64", [1, 2], { failures: ["no end after 30 s"] }),
      madeUpCase("throughput/deno-unix/64", [], { failures: ["it died", "it died", "it died"] }),
    ], { notRun: [{ peer: "node-zeromq", reason: "no prebuilt binary" }] }),
    "some.json",
  );
  const listed = page.slice(page.indexOf("## Not run"));
  assert.match(listed, /\| zeromq ipc:\/\/, Node \| all \| no prebuilt binary \|/);
  assert.match(listed, /\| wake 64, 1 of 3 rounds \| no end after 30 s \|/);
  assert.match(listed, /\| throughput 64, 3 of 3 rounds \| it died \|/);
  assert.match(page, /\| Unix socket, Deno \| failed \|/);
  assert.match(report(full, "some.json"), /All peers ran, and no case failed\./);
});

Deno.test("a run that is not whole says so above its figures", () => {
  const caution = /This run was quick, and only `wake`/;
  assert.match(report({ ...full, quick: true, only: "wake" }, "some.json"), caution);
  assert.doesNotMatch(report(full, "some.json"), /This run was/);
});

Deno.test("its commands are marked as not to be run by the tests of the pages", () => {
  const page = report(full, "some.json");
  const all = blocks(page);
  assert(all.length > 0);
  assert(all.every(({ language, info }) => language === "sh" && info.startsWith("not-run: ")));
});

Deno.test("each picture on the page is drawn, and each that is drawn is on the page", () => {
  const page = report(full, "some.json");
  const shown = [...page.matchAll(/\(plots\/(\w+)\.svg\)/g)].map(([, name]) => name!);
  assert.deepEqual(shown.toSorted(), plots(full).map(({ name }) => name).toSorted());
  assert.equal(shown.length, 7);
  assert.deepEqual(plots(madeUpResult([])), []);
});
