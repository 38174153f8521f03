/** What `server` and `client` have in common on the command line and in what they tell. */

import { formatKey } from "../../ffi/shm_error.ts";
import type { Segment } from "../sysv/segment.ts";
import { formatMode } from "../sysv/object_stat.ts";
import type { OptionTable } from "./usage.ts";

/** Options both commands have. */
export const MAILBOX_OPTIONS = {
  key: {
    short: "k",
    value: "KEY",
    help: "1111 (the default), 0x457, 02127, or path:project for ftok",
  },
  mode: { value: "MODE", help: "permission bits of what is created, octal (default 0600)" },
  trust: { help: "accept a mailbox that another user created" },
  quiet: { short: "q", help: "say nothing on stderr but errors" },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

/** What a person should know of a mailbox that others may write to, unless they asked for it. */
export function exposure(segment: Segment, askedMode: number | undefined): string | undefined {
  if (!segment.othersMayWrite) return undefined;
  const { mode, uid } = segment.stat();
  if (askedMode === mode) return undefined;
  return `warning: segment ${segment.id} (key ${
    formatKey(segment.key)
  }, owner uid ${uid}) has mode ` +
    `${formatMode(mode)}: other users may read and forge messages`;
}
