/** The pages of `top` besides the list: everything known about one segment, and the help. */

import { segmentLines } from "../objects/object_lines.ts";
import { printable } from "../output.ts";
import { PROC_NOTE } from "../objects/processes.ts";
import { cropText, type Line, wrapText } from "../terminal/spans.ts";
import type { FirstBytes } from "./top_model.ts";
import { CHANGE, type TopRow } from "./top_row.ts";
import { hexRow, hexShape } from "../bytes/hex.ts";

/** The lines of the help: the keys and what they do. */
export const HELP_LINES: readonly string[] = [
  "Up, Down, k, j     the previous row, the next row",
  "PgUp, PgDn         a page",
  "Home, End, g, G    the first row, the last row",
  "s, >  and  S, <    sort by the next column, by the previous column",
  "r                  sort in reverse order",
  "Enter, i           all facts of the segment, and its first bytes",
  "d, Delete          remove it, after a question",
  "Space              refresh now",
  "q, Esc             back, or quit; Ctrl-C quits",
  "",
  "> is the selected row. + is new, - is gone, * has changed since the last refresh; CHANGE says " +
  "what: +1 and -1 are attaches, dest is marked for removal.",
  "",
  "To read bytes top attaches the segment for a moment, read-only, which changes its times and " +
  "its last pid. If no process is attached, it reads only when asked, with x. It reads channels, " +
  "topics and latest values (DEPTH messages wait, MSG/S come) at each refresh.",
  "",
  `${PROC_NOTE[0]!.toUpperCase()}${PROC_NOTE.slice(1)}.`,
];

/** The width of the names, in columns. */
const NAME_WIDTH = 17;
/** Below this width two columns do not fit, so values go under their names. */
const NARROW = 30;

export function segmentPage(
  row: TopRow,
  firstBytes: FirstBytes | undefined,
  columns: number,
): Line[] {
  const title = row.change === CHANGE.gone
    ? `segment ${row.id} is gone; what it was:`
    : `segment ${row.id}`;
  const { attachers, content, rate } = row;
  const facts = [
    ...segmentLines(row, attachers),
    ...(content === null ? [] : content.lines(rate)),
  ];
  return [
    [{ text: cropText(title, columns), format: "bold" }],
    ...facts.flatMap(([name, value]) => factLines(name, printable(value), columns)),
    ...(firstBytes === undefined ? [] : bytesLines(firstBytes, columns)),
  ];
}

function factLines(name: string, value: string, columns: number): Line[] {
  if (columns < NARROW) {
    return [
      [{ text: name, format: "dim" }],
      ...wrapText(value, columns - 1).map((text): Line => [{ text: ` ${text}` }]),
    ];
  }
  return wrapText(value, columns - NAME_WIDTH).map((text, i): Line => [
    { text: (i === 0 ? name : "").padEnd(NAME_WIDTH), format: "dim" },
    { text },
  ]);
}

function bytesLines(firstBytes: FirstBytes, columns: number): Line[] {
  if ("why" in firstBytes) return factLines("bytes", printable(firstBytes.why), columns);
  const { bytes } = firstBytes;
  const shape = hexShape(columns, bytes.length);
  const lines: Line[] = [[]];
  for (let at = 0; at < bytes.length; at += shape.bytes) {
    lines.push(hexRow(bytes.subarray(at, at + shape.bytes), at, shape));
  }
  return lines;
}
