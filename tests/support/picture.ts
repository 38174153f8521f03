/**
 * Draws `docs/top.svg`, the picture of the README: what `top` shows on a terminal, in an IPC namespace of
 * its own with made-up segments. As root: `deno task picture`.
 */

import { Channel, MailboxClient, MailboxServer, Segment } from "../../mod.ts";
import { Session } from "../cli/on_screen.ts";
import { Peer, PROJECT, TestFolder } from "./peer.ts";
import type { Cell } from "./terminal_screen.ts";

/** The size of the terminal in characters, and of a character in pixels. */
const SIZE = { columns: 85, rows: 16 } as const;
const CHARACTER = { width: 8.4, height: 18 } as const;
const MARGIN = 12;

/** The colours on a light and on a dark background, by the number of their SGR sequence. */
const COLOURS: Readonly<Record<string, readonly [light: string, dark: string]>> = {
  "31": ["#c4232b", "#ff7b72"],
  "32": ["#1a7f37", "#56d364"],
  "33": ["#8a5a00", "#e3b341"],
  "35": ["#8250df", "#d2a8ff"],
  "36": ["#0b6e7f", "#76e3ea"],
};
const TEXT = ["#1f2328", "#e6edf3"] as const;
const BACKGROUND = ["#f6f8fa", "#0d1117"] as const;

function css(scheme: 0 | 1): string {
  return [
    `rect.b,text.i{fill:${BACKGROUND[scheme]}}`,
    `text,rect.i{fill:${TEXT[scheme]}}`,
    ...Object.entries(COLOURS).map(([sgr, colours]) => `text.c${sgr}{fill:${colours[scheme]}}`),
  ].join("");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** The cells of one row with the same style, as SVG. */
function runSvg(text: string, style: string, column: number, row: number): string {
  const sgr = style.split(";");
  const inverse = sgr.includes("7");
  if (text.trim() === "" && !inverse) return "";
  const [x, y] = [MARGIN + column * CHARACTER.width, MARGIN + row * CHARACTER.height];
  const width = (text.length * CHARACTER.width).toFixed(1);
  const classes = [
    inverse ? "i" : "",
    sgr.includes("1") ? "bold" : "",
    sgr.includes("2") ? "dim" : "",
    sgr.includes("4") ? "line" : "",
    ...sgr.filter((each) => !inverse && each in COLOURS).map((each) => `c${each}`),
  ].filter((each) => each !== "").join(" ");
  const back = inverse
    ? `<rect class="i" x="${
      x.toFixed(1)
    }" y="${y}" width="${width}" height="${CHARACTER.height}"/>\n`
    : "";
  return `${back}<text x="${x.toFixed(1)}" y="${y + 13}" textLength="${width}"` +
    `${classes === "" ? "" : ` class="${classes}"`}>${escaped(text)}</text>\n`;
}

function rowSvg(cells: readonly Cell[], row: number): string {
  let svg = "";
  for (let from = 0; from < cells.length;) {
    const { style } = cells[from]!;
    let to = from;
    while (to < cells.length && cells[to]!.style === style) to++;
    const text = cells.slice(from, to).map((cell) => cell.text).join("");
    svg += runSvg(style === "" ? text.trimEnd() : text, style, from, row);
    from = to;
  }
  return svg;
}

/** The screen as SVG, readable on a light and on a dark page. */
function screenSvg(cells: readonly (readonly Cell[])[]): string {
  const width = Math.ceil(2 * MARGIN + SIZE.columns * CHARACTER.width);
  const height = 2 * MARGIN + SIZE.rows * CHARACTER.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}" xml:space="preserve" role="img">
<title>top: the segments of a system, live</title>
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}` +
    `.bold{font-weight:bold}.dim{opacity:.7}.line{text-decoration:underline}${css(0)}` +
    `@media (prefers-color-scheme:dark){${css(1)}}</style>
<rect class="b" width="${width}" height="${height}" rx="8"/>
${cells.map(rowSvg).join("")}</svg>
`;
}

/** A program that `top` shows: its name, and Perl that creates and attaches its segment. */
const PROGRAMS = [
  ["postgres", "shmget(0x0052e2c1, 56, 01600)", 6],
  ["gpsd", "shmget(0x47505344, 65536, 01644)", 2],
  ["sensor", "shmget(0x5eed, 2 << 20, 01600)", 1],
] as const;

/** Creates segments whose creator is gone; the user of the second has no other one. */
const LEFT = [
  "shmget(0x1f4a, 40960, 01640) // die",
  "$> = 33; shmget(0x7a69, 262144, 01660) // die",
] as const;

/** Starts a program under a made-up name, which ends with its input. */
async function program(name: string, segment: string, times: number): Promise<Peer> {
  const peer = Peer.start("perl", [
    "-e",
    `use IPC::SysV qw(shmat); $| = 1; $0 = "${name}"; my $id = ${segment} // die $!;
     defined shmat($id, undef, 0) or die $! for 1 .. ${times}; print "ready\\n"; <STDIN>`,
  ]);
  await peer.line();
  return peer;
}

/** Fills the namespace with made-up objects, and draws the screen while messages flow. */
async function draw(): Promise<string> {
  using folder = new TestFolder();
  await using owned = new AsyncDisposableStack();
  for (const [name, segment, times] of PROGRAMS) {
    owned.use(await program(name, segment, times));
  }
  for (const perl of LEFT) {
    const { success } = await new Deno.Command("perl", { args: ["-e", perl] }).output();
    if (!success) throw new Error(`perl -e '${perl}' failed`);
  }
  const picture = owned.use(Segment.create({ size: 8 << 20, mode: 0o666 }));
  picture.remove();
  owned.use(MailboxServer.open());
  owned.use(MailboxClient.open());
  const channel = owned.use(Channel.openOrCreate({ key: 2222 }));
  const [producer, consumer] = [owned.use(channel.producer()), owned.use(channel.consumer())];
  const flow = setInterval(() => {
    for (let i = 0; i < 60; i++) producer.trySend(new Uint8Array(100));
    consumer.drain(() => {}, { max: channel.stats().lanes[0]!.depth - 40 });
  }, 5);
  owned.defer(() => clearInterval(flow));
  await using session = Session.start(folder, { ...SIZE, all: true, colours: true }, "top");
  await session.sees("q quit");
  await session.type("jj");
  await session.sees(/^ {2}0x000008ae .* [1-9]\S* /m);
  owned.use(await program("worker", "shmget(0x00c0ffee, 16384, 01640)", 1));
  await session.sees(/^ \+0x00c0ffee/m);
  const svg = screenSvg(session.screen.cells);
  await session.type("q");
  await session.ended();
  return svg;
}

if (import.meta.main) {
  Deno.writeTextFileSync(`${PROJECT}docs/top.svg`, await draw());
}
