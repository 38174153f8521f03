/**
 * Writes the layout of the channel from `src/channel/descriptor.ts` into `c/shm_channel.h`, between two
 * comments there. A tool of this repository: `deno task layout`. With `--check` it changes nothing and
 * fails if the header differs.
 */

import {
  CONSUMER,
  CONTROL,
  HEADER,
  LANE,
  LANE_CAPACITY,
  LANE_CONSUMER,
  LANE_PRODUCER,
  LANES,
  layoutHash,
  LINE,
  MAGIC,
  MAGIC_SWAPPED,
  MESSAGE_COUNTER,
  PADDING,
  RECORD,
  RECORD_ALIGN,
  SEMAPHORE,
  SEMAPHORE_AFTER_LANES,
  SEMAPHORES_BESIDE_LANES,
  VERSION,
} from "../src/channel/descriptor.ts";
import type { AnyStructLayout, Layout } from "../src/layout/layout.ts";

/** The lines of the header that enclose the layout. */
const BEGIN = "/* BEGIN LAYOUT: written by `deno task layout` from src/channel/descriptor.ts */\n";
const END = "/* END LAYOUT */\n";

/** The structs by their names in C, inner ones first. */
export const STRUCTS: Readonly<Record<string, AnyStructLayout>> = {
  ShmChannelHeader: HEADER,
  ShmChannelConsumerLine: CONSUMER,
  ShmChannelMessageCounter: MESSAGE_COUNTER,
  ShmChannelLaneProducer: LANE_PRODUCER,
  ShmChannelLaneConsumer: LANE_CONSUMER,
  ShmChannelLane: LANE,
  ShmChannelControl: CONTROL,
  ShmChannelRecord: RECORD,
};

/** The URL of the C header, in the directory of this file. */
export const HEADER_FILE: URL = new URL("shm_channel.h", import.meta.url);

/** The constants, unsigned like their fields. Hexadecimal where people recognise the digits. */
function numbers(): string[] {
  const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}U`;
  const all: [name: string, value: string][] = [
    ["MAGIC", hex(MAGIC)],
    ["MAGIC_SWAPPED", hex(MAGIC_SWAPPED)],
    ["VERSION", `${VERSION}U`],
    ["LAYOUT_HASH", hex(layoutHash())],
    ["LINE", `${LINE}U`],
    ["RECORD_ALIGN", `${RECORD_ALIGN}U`],
    ["PADDING", hex(PADDING)],
    ...prefixed("LANES", LANES, "U"),
    ...prefixed("LANE_CAPACITY", LANE_CAPACITY, "U"),
    ...prefixed("SEM", SEMAPHORE, ""),
    ...prefixed("SEM_AFTER_LANES", SEMAPHORE_AFTER_LANES, ""),
    ["SEMAPHORES_BESIDE_LANES", `${SEMAPHORES_BESIDE_LANES}`],
  ];
  return all.map(([name, value]) => `#define SHM_CHANNEL_${name} ${value}`);
}

function prefixed(
  prefix: string,
  values: Readonly<Record<string, number>>,
  suffix: string,
): [name: string, value: string][] {
  return Object.entries(values).map(([name, value]) => [`${prefix}_${name}`, `${value}${suffix}`]);
}

/** A struct, with assertions that the compiler lays it out as TypeScript does. */
function declaration(name: string, { fields, size, align }: AnyStructLayout): string {
  const entries = Object.entries(fields);
  return [
    `struct ${align === undefined ? "" : `__attribute__((aligned(${align}))) `}${name} {`,
    ...entries.map(([field, { layout }]) => `  ${member(field, layout)};`),
    "};",
    `static_assert(sizeof(struct ${name}) == ${size}, "${name}");`,
    ...entries.map(([field, { offset, size }]) =>
      `SHMCI_PLACE(${name}, ${field}, ${offset}, ${size});`
    ),
  ].join("\n");
}

/** Asserts the offset and size of a member. */
const PLACE = String.raw`#define SHMCI_PLACE(type, member, offset, size)                         \
  static_assert(offsetof(struct type, member) == (offset) &&            \
                    sizeof(((struct type *)0)->member) == (size),       \
                #type "." #member)`;

function member(name: string, layout: Layout): string {
  switch (layout.kind) {
    case "scalar":
      return `${layout.cType} ${name}`;
    case "array":
      return `${member(name, layout.element)}[${layout.length}]`;
    case "struct": {
      const known = Object.entries(STRUCTS).find(([, each]) => each === layout);
      if (known === undefined) throw new TypeError(`the struct of ${name} has no name in C`);
      return `struct ${known[0]} ${name}`;
    }
    default:
      throw new TypeError(`${name}: the channel has no ${layout.kind}`);
  }
}

/** The whole layout, as text for C and C++. */
export function layoutText(): string {
  const structs = Object.entries(STRUCTS).map(([name, layout]) => declaration(name, layout));
  return [numbers().join("\n"), PLACE, ...structs].join("\n\n") + "\n";
}

/** The text of the header with the present layout. */
export function withLayout(header: string): string {
  const [begin, end] = [header.indexOf(BEGIN), header.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`no lines "${BEGIN.trim()}", "${END.trim()}"`);
  return header.slice(0, begin + BEGIN.length) + layoutText() + header.slice(end);
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  const file = Deno.args.find((argument) => !argument.startsWith("--")) ?? HEADER_FILE;
  const before = Deno.readTextFileSync(file);
  const after = withLayout(before);
  if (!check) Deno.writeTextFileSync(file, after);
  else if (before !== after) {
    console.error(
      "c/shm_channel.h does not say what src/channel/descriptor.ts says: deno task layout",
    );
    Deno.exit(1);
  }
}
