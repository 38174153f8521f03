/** The options that `server` and `client` share. */

import type { MailboxOptions } from "../mailbox/mailbox_membership.ts";
import { report } from "./output.ts";
import { keyOption, modeOption, type OptionTable, type Parsed } from "./usage.ts";

/** The options of both commands. */
export const MAILBOX_OPTIONS = {
  key: {
    short: "k",
    value: "KEY",
    help: "1111 (default), 0x457, 02127, path:project (ftok)",
  },
  mode: { value: "MODE", help: "permissions of what is created (default 0600)" },
  trust: { help: "accept a mailbox that another user created" },
  quiet: { short: "q", help: "say nothing on stderr but errors" },
  help: { short: "h", help: "show this" },
} as const satisfies OptionTable;

/** The values of the common options. */
export interface MailboxSettings {
  /** How to open the mailbox. */
  readonly open: MailboxOptions;
  /** Prints a notice that is not an error. */
  readonly tell: (line: string) => void;
}

/**
 * Reads the common options.
 *
 * @throws {UsageError} an invalid key or mode
 */
export function mailboxSettings(
  options: Parsed<keyof typeof MAILBOX_OPTIONS>["options"],
): MailboxSettings {
  const key = keyOption(options.key);
  const mode = modeOption(options.mode);
  return {
    open: {
      ...(key === undefined ? {} : { key }),
      ...(mode === undefined ? {} : { mode }),
      trust: options.trust === true,
    },
    tell: options.quiet === true ? () => {} : report,
  };
}
