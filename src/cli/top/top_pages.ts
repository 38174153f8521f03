/** The pages of `top` besides the list: everything known about one segment, and the help. */

import { hexRow, hexShape } from "../bytes/hex_rows.ts";
import { printable } from "../output.ts";
import { PROC_NOTE } from "../objects/processes.ts";
import { formatSize } from "../text/size.ts";
import { cropText, type Line, wrapText } from "../terminal/spans.ts";
import { attachersText } from "./top_columns.ts";
import type { FirstBytes } from "./top_model.ts";
import { CHANGE, type TopRow } from "./top_row.ts";
import {
  accountInWords,
  formatRate,
  localTime,
  plural,
  sizeInWords,
  UNKNOWN,
} from "../text/wording.ts";

/** The lines of the help: the keys and what they do. */
export const HELP_LINES: readonly string[] = [
  "Up, Down, k, j     the row before, the next one",
  "PgUp, PgDn         a page",
  "Home, End, g, G    the first, the last",
  "s, >  and  S, <    sort by the next column, by the one before",
  "r                  sort the other way round",
  "Enter, i           all about the segment, and its first bytes",
  "d, Delete          remove it, after a question",
  "Space              refresh now",
  "q, Esc             back, or quit; Ctrl-C quits",
  "",
  "> is the selected row. + has come, - has gone, * has changed since the refresh before; " +
  "CHANGE says what: +1 and -1 are attaches, dest is marked for removal.",
  "",
  "To read bytes top attaches the segment for a moment, read-only: its times and its last pid " +
  "tell so. Where nobody is attached it does that only when asked, with x. What a channel holds " +
  "(DEPTH messages wait, MSG/S come) it reads so at each refresh.",
  "",
  `${PROC_NOTE[0]!.toUpperCase()}${PROC_NOTE.slice(1)}.`,
];

/** The width of the names, in columns. */
const NAME_WIDTH = 10;
/** Below this width two columns do not fit, so values go under their names. */
const NARROW = 30;

/** Everything about a segment. */
export function segmentLines(
  row: TopRow,
  firstBytes: FirstBytes | undefined,
  columns: number,
): Line[] {
  const title = row.change === CHANGE.gone
    ? `segment ${row.id} is gone; what it was:`
    : `segment ${row.id}`;
  return [
    [{ text: cropText(title, columns), format: "bold" }],
    ...facts(row).flatMap(([name, value]) => factLines(name, printable(value), columns)),
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

function facts(row: TopRow): [name: string, value: string][] {
  const pid = (id: number | null): string => id === null ? UNKNOWN : String(id);
  const { resident, swapped, attachers } = row;
  return [
    ["key", keyText(row)],
    ["size", sizeInWords(row.size)],
    [
      "attached",
      attachers === null ? `${row.nattch}` : `${row.nattch}: ${attachersText(attachers)}`,
    ],
    ["status", row.status === "" ? UNKNOWN : row.status],
    ...(row.useReason === null || row.use === "in use"
      ? []
      : [["may need", row.useReason] as [string, string]]),
    ...channelFacts(row),
    ["mode", row.perms],
    ["owner", `${accountInWords(row.owner, row.uid)}, group ${accountInWords(row.group, row.gid)}`],
    [
      "creator",
      `${accountInWords(row.creator, row.cuid)}, group ${
        accountInWords(row.creatorGroup, row.cgid)
      }, ` +
      `pid ${pid(row.cpid)}`,
    ],
    ["last pid", pid(row.lpid)],
    ["attach", localTime(row.atime)],
    ["detach", localTime(row.dtime)],
    ["change", localTime(row.ctime)],
    ...(resident === null || swapped === null ? [] : [
      ["in memory", `${sizeInWords(resident)}, swapped ${sizeInWords(swapped)}`] as [
        string,
        string,
      ],
    ]),
  ];
}

/** The facts of the channel in the segment. */
function channelFacts({ channel, rate }: TopRow): [name: string, value: string][] {
  if (channel === null) return [];
  const { lanes, laneCapacity, depth, bytes, messages, fullWaits, senders, consumer } = channel;
  return [
    [
      "channel",
      `${plural(lanes, "lane")} of ${formatSize(laneCapacity)}, ${plural(messages, "message")} ` +
      `ever${rate === null ? "" : `, ${formatRate(rate)}/s`}`,
    ],
    [
      "waiting",
      `${plural(depth, "message")}, ${formatSize(bytes)}; a sender waited for room ` +
      `${plural(fullWaits, "time")}`,
    ],
    ["senders", senders.length === 0 ? "none" : `pid ${senders.join(", ")}`],
    ["receiver", consumer === null ? "none" : `pid ${consumer}`],
  ];
}

function keyText({ key, keyHex, markedForRemoval }: TopRow): string {
  if (key !== 0) return `${keyHex} (${key})`;
  return markedForRemoval ? "none any more" : "none: private";
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
