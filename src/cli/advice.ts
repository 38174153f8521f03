/**
 * Advice for a person at the command line about an error of the library. The library's own advice is for
 * the author of a program and names its options; only this file replaces it with flags and commands.
 */

import { keyInHex, type ShmError } from "../../ffi/shm_error.ts";
import type { OptionTable } from "./usage.ts";
import { programName } from "./program_name.ts";

/** The flag that corresponds to an option of the library, in the commands that have it. */
const FLAGS = {
  trust: "trust",
  recreate: "recreate",
  noReserve: "no-reserve",
  hugePages: "huge",
  lanes: "lanes",
  laneCapacity: "capacity",
  messageSize: "struct",
  cells: "cells",
  size: "size",
  withoutConsumer: "no-consumer",
  readOnly: "read-only",
} as const;

/** The reason for the error in one line, with advice that works for a command with these `options`. */
export function explained(error: ShmError, options: OptionTable = {}): string {
  const { message, remedy } = error;
  const advice = adviceFor(error, options);
  if (advice === undefined) return message;
  const failure = remedy === undefined ? message : message.slice(0, -`; ${remedy}`.length);
  return [failure, advice].filter((part) => part !== "").join("; ");
}

/** The command's advice; `undefined` if the library's own advice fits, `""` if there is none. */
function adviceFor(
  { code, call, key, option, lane, id, remedy }: ShmError,
  options: OptionTable,
): string | undefined {
  // A lane of a topic needs no help: its subscribers go on behind what they cannot read
  if (code === "ECORRUPT" && lane !== undefined && remedy?.includes("discard")) {
    return `\`${programName()} channel discard --lane ${lane} id:${id}\` drops what is in that lane, ` +
      "and nothing else";
  }
  if (code === "EEXIST" && call === "shmget" && key !== undefined) {
    return `choose another --key, or, if no program needs it, remove it with \`${programName()} rm ${
      keyInHex(key)
    }\``;
  }
  if (code === "ENOENT" && Object.hasOwn(options, "read-only")) {
    return `start \`${programName()} pub\`, or leave --read-only out`;
  }
  if (option === undefined) return undefined;
  const flag = flagOf(FLAGS[option], options);
  if (code === "EFORMAT") {
    const key = Object.hasOwn(options, "key") ? "--key" : "KEY";
    // A struct asks for its own size
    const flags = option === "size" ? [flag, flagOf("struct", options)] : [flag];
    const given = flags.filter((name) => name !== undefined).join(" or ");
    return `leave ${given || "it"} out to take what is there, or choose another ${key}`;
  }
  switch (option) {
    case "trust":
      return flag === undefined ? "" : `${flag} accepts that`;
    case "recreate":
      return "choose another --key, or, once no process is attached, replace it with " +
        (flag ?? `\`${programName()} server --recreate\``);
    case "readOnly":
      return "";
    case "noReserve":
      return flag === undefined ? "" : `${flag} asks for none up front`;
    case "lanes":
      return `wait until one ends, or create one with more ${flag ?? "lanes"}`;
    case "withoutConsumer":
      return `start \`${programName()} recv\`${
        flag === undefined ? "" : `, or wait with ${flag} wait`
      }`;
    case "laneCapacity":
    case "messageSize":
    case "cells":
    case "size":
      return undefined;
    case "hugePages":
      return flag === undefined ? "" : `or leave ${flag} out`;
  }
}

/** The flag with this name as it is written; `undefined` if the command has none. */
function flagOf(name: string, options: OptionTable): string | undefined {
  return Object.hasOwn(options, name) ? `--${name}` : undefined;
}
