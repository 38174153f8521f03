/**
 * Writes `c/shm_channel_layout.h`, the layout of the channel, from `src/channel/descriptor.ts`. A tool of
 * this repository: `deno task layout`. With `--check` it changes nothing and fails if the header differs.
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
  STRUCTS as HASHED,
  VERSION,
} from "../src/channel/descriptor.ts";
import type { AnyStructLayout, Layout } from "../src/layout/layout.ts";
import { layoutHash } from "../src/layout/layout_hash.ts";

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
export const HEADER_FILE: URL = new URL("shm_channel_layout.h", import.meta.url);

/** What precedes the layout. */
const BEGIN = `/*
 * The layout of the channel of @sysv/shm: constants and structs, with assertions that the compiler lays
 * them out as TypeScript does. Written by \`deno task layout\` from src/channel/descriptor.ts, which says
 * which process writes which word. Do not change it by hand. Programs include shm_channel.h.
 */
#ifndef SYSV_SHM_CHANNEL_LAYOUT_H
#define SYSV_SHM_CHANNEL_LAYOUT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
`;

/** What follows the layout. */
const END = "#endif /* SYSV_SHM_CHANNEL_LAYOUT_H */\n";

/** The constants, unsigned like their fields. Hexadecimal where people recognise the digits. */
function numbers(): string[] {
  const hex = (value: number): string => `0x${value.toString(16).padStart(8, "0")}U`;
  const all: [name: string, value: string][] = [
    ["MAGIC", hex(MAGIC)],
    ["MAGIC_SWAPPED", hex(MAGIC_SWAPPED)],
    ["VERSION", `${VERSION}U`],
    ["LAYOUT_HASH", hex(layoutHash(HASHED))],
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

/** The text of the header, for C and C++. */
export function headerText(): string {
  const structs = Object.entries(STRUCTS).map(([name, layout]) => declaration(name, layout));
  return [
    BEGIN,
    numbers().join("\n") + "\n",
    PLACE + "\n",
    ...structs.map((each) => each + "\n"),
    END,
  ]
    .join("\n");
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  const file = Deno.args.find((argument) => !argument.startsWith("--")) ?? HEADER_FILE;
  if (!check) Deno.writeTextFileSync(file, headerText());
  else if (Deno.readTextFileSync(file) !== headerText()) {
    console.error(
      "c/shm_channel_layout.h is not what src/channel/descriptor.ts describes: deno task layout",
    );
    Deno.exit(1);
  }
}
