/**
 * Writes the layouts of the protocols into `c`, such as `shm_channel_layout.h`, from the descriptors in `src`.
 * A tool of this repository: `deno task layout`. With `--check` it changes nothing and fails if a header differs.
 */

import * as channel from "../src/channel/descriptor.ts";
import * as latest from "../src/latest/descriptor.ts";
import type { AnyStructLayout, Layout } from "../src/layout/layout.ts";
import { layoutHash, type NamedStructs } from "../src/layout/layout_hash.ts";
import { MESSAGE_TYPE } from "../src/layout/message_type.ts";
import * as topic from "../src/topic/descriptor.ts";

type Numbers = Readonly<Record<string, number | Readonly<Record<string, number>>>>;

/** The layout of one protocol. */
export interface Protocol {
  /** Its descriptor, of which all structs are hashed. */
  readonly descriptor: {
    readonly MAGIC: number;
    readonly VERSION: number;
    readonly STRUCTS: NamedStructs;
  };
  /** The structs by their names in C, inner ones first. */
  readonly structs: Readonly<Record<string, AnyStructLayout>>;
  /** The constants, unsigned like their fields. */
  readonly numbers: Numbers;
  /** Numbers and counts of semaphores, signed as in the system calls. */
  readonly semaphores: Numbers;
}

/** The protocols whose segment begins with a header, by their names in C. */
export const PROTOCOLS: Readonly<Record<"channel" | "latest" | "topic", Protocol>> = {
  channel: {
    descriptor: channel,
    structs: {
      ShmChannelHeader: channel.HEADER,
      ShmChannelConsumerLine: channel.CONSUMER,
      ShmChannelMessageCounter: channel.MESSAGE_COUNTER,
      ShmChannelLaneProducer: channel.LANE_PRODUCER,
      ShmChannelLaneConsumer: channel.LANE_CONSUMER,
      ShmChannelLane: channel.LANE,
      ShmChannelControl: channel.CONTROL,
      ShmChannelRecord: channel.RECORD,
    },
    numbers: {
      LINE: channel.LINE,
      RECORD_ALIGN: channel.RECORD_ALIGN,
      PADDING: channel.PADDING,
      LANES: channel.LANES,
      LANE_CAPACITY: channel.LANE_CAPACITY,
    },
    semaphores: {
      SEM: channel.SEMAPHORE,
      SEMAPHORES_BESIDE_LANES: channel.SEMAPHORES_BESIDE_LANES,
    },
  },
  latest: {
    descriptor: latest,
    structs: {
      ShmLatestHeader: latest.HEADER,
      ShmLatestWriterLine: latest.WRITER,
      ShmLatestWaitingLine: latest.WAITING,
      ShmLatestControl: latest.CONTROL,
      ShmLatestCell: latest.CELL,
    },
    numbers: {
      LINE: latest.LINE,
      CELLS_OFFSET: latest.CELLS_OFFSET,
      VALUE_OFFSET: latest.VALUE_OFFSET,
      VALUE_SIZE: latest.VALUE_SIZE,
      CELLS: latest.CELLS,
      LARGE_CELL: latest.LARGE_CELL,
    },
    semaphores: {
      SEM: latest.SEMAPHORE,
      SEMAPHORE_COUNT: latest.SEMAPHORE_COUNT,
    },
  },
  topic: {
    descriptor: topic,
    structs: {
      ShmTopicHeader: topic.HEADER,
      ShmTopicWaitingLine: topic.WAITING,
      ShmTopicLaneState: topic.LANE_STATE,
      ShmTopicLane: topic.LANE,
      ShmTopicControl: topic.CONTROL,
      ShmTopicRecord: topic.RECORD,
    },
    numbers: {
      LINE: topic.LINE,
      RECORD_ALIGN: topic.RECORD_ALIGN,
      PADDING: topic.PADDING,
      LANES: topic.LANES,
      LANE_CAPACITY: topic.LANE_CAPACITY,
      UNUSED_AT_END: topic.UNUSED_AT_END,
    },
    semaphores: {
      SEM: topic.SEMAPHORE,
      SEMAPHORES_BESIDE_LANES: topic.SEMAPHORES_BESIDE_LANES,
    },
  },
};

/** The names of all protocols. */
export const NAMES = Object.keys(PROTOCOLS) as readonly (keyof typeof PROTOCOLS)[];

/** The name of the header of a protocol. */
export function headerName(name: keyof typeof PROTOCOLS): string {
  return `shm_${name}_layout.h`;
}

/** What precedes a layout. */
function begin(name: string): string {
  return `/*
 * The layout of \`${name}\` of @sysv/shm: constants and structs, with assertions that the compiler
 * lays them out as TypeScript does. Written by \`deno task layout\` from src/${name}/descriptor.ts,
 * which says which process writes which word. Do not change it by hand; include shm_${name}.h.
 */
#ifndef SYSV_SHM_${name.toUpperCase()}_LAYOUT_H
#define SYSV_SHM_${name.toUpperCase()}_LAYOUT_H

#include "shm_headed.h"
`;
}

/** Hexadecimal where people recognise the digits, and where all bits are set. */
function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}U`;
}

function defines(prefix: string, numbers: Numbers, text: (value: number) => string): string[] {
  return Object.entries(numbers).flatMap(([name, value]) =>
    typeof value === "number"
      ? [`#define ${prefix}${name} ${text(value)}`]
      : defines(`${prefix}${name}_`, value, text)
  );
}

/** A struct, with assertions that the compiler lays it out as TypeScript does. */
function declaration(
  structs: Protocol["structs"],
  name: string,
  { fields, size, align }: AnyStructLayout,
): string {
  const entries = Object.entries(fields);
  return [
    `struct ${align === undefined ? "" : `__attribute__((aligned(${align}))) `}${name} {`,
    ...entries.map(([field, { layout }]) => `  ${member(structs, field, layout)};`),
    "};",
    `static_assert(sizeof(struct ${name}) == ${size}, "${name}");`,
    ...entries.map(([field, { offset, size }]) =>
      `SHMH_PLACE(${name}, ${field}, ${offset}, ${size});`
    ),
  ].join("\n");
}

/** The C declaration of a member. */
function member(structs: Protocol["structs"], name: string, layout: Layout): string {
  switch (layout.kind) {
    case "scalar":
      return `${layout.cType} ${name}`;
    case "array":
      return `${member(structs, name, layout.element)}[${layout.length}]`;
    case "struct": {
      if (layout === MESSAGE_TYPE) return `struct ShmMessageType ${name}`;
      const known = Object.entries(structs).find(([, each]) => each === layout);
      if (known === undefined) throw new TypeError(`the struct of ${name} has no name in C`);
      return `struct ${known[0]} ${name}`;
    }
    default:
      throw new TypeError(`${name}: no descriptor has a ${layout.kind}`);
  }
}

/** The text of the header of a protocol, for C and C++. */
export function headerText(name: keyof typeof PROTOCOLS): string {
  const { descriptor, structs, numbers, semaphores } = PROTOCOLS[name];
  const { MAGIC, VERSION, STRUCTS } = descriptor;
  const prefix = `SHM_${name.toUpperCase()}_`;
  const constants = [
    ...defines(prefix, { MAGIC, LAYOUT_HASH: layoutHash(STRUCTS) }, hex),
    ...defines(
      prefix,
      { VERSION, ...numbers },
      (value) => value < 2 ** 31 ? `${value}U` : hex(value),
    ),
    ...defines(prefix, semaphores, String),
  ];
  return [
    begin(name),
    constants.join("\n") + "\n",
    ...Object.entries(structs).map(([each, layout]) => declaration(structs, each, layout) + "\n"),
    "#endif\n",
  ].join("\n");
}

if (import.meta.main) {
  const check = Deno.args.includes("--check");
  const folder = Deno.args.find((argument) => !argument.startsWith("--"));
  const base = folder === undefined
    ? import.meta.url
    : new URL(`${folder}/`, `file://${Deno.cwd()}/`);
  for (const name of NAMES) {
    const file = new URL(headerName(name), base);
    if (!check) Deno.writeTextFileSync(file, headerText(name));
    else if (Deno.readTextFileSync(file) !== headerText(name)) {
      console.error(
        `c/${headerName(name)} is not what src/${name}/descriptor.ts describes: deno task layout`,
      );
      Deno.exitCode = 1;
    }
  }
}
