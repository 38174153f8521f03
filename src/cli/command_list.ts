/**
 * The list of commands, in the order of the help. Each is known by name before it is loaded from its own
 * file. The file names are literals, so that Deno finds them for `deno compile` and for its cache.
 */

import type { CommandEntry } from "./command.ts";

/** All commands. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "server",
    summary: "print the messages of a mailbox as they come",
    load: async () => (await import("./commands/server_command.ts")).serverCommand,
  },
  {
    name: "client",
    summary: "send arguments or lines of stdin to a mailbox",
    load: async () => (await import("./commands/client_command.ts")).clientCommand,
  },
  {
    name: "send",
    summary: "send arguments, lines or all of stdin through a channel",
    load: async () => (await import("./commands/send_command.ts")).sendCommand,
  },
  {
    name: "recv",
    summary: "print the messages of a channel as they come",
    load: async () => (await import("./commands/recv_command.ts")).recvCommand,
  },
  {
    name: "channel",
    summary: "list channels, show one, empty or remove them",
    load: async () => (await import("./commands/channel_command.ts")).channelCommand,
  },
  {
    name: "ls",
    summary: "list segments, or semaphore sets",
    load: async () => (await import("./commands/ls_command.ts")).lsCommand,
  },
  {
    name: "stat",
    summary: "show all facts of one segment or semaphore set",
    load: async () => (await import("./commands/stat_command.ts")).statCommand,
  },
  {
    name: "create",
    summary: "make a segment and print its key and id",
    load: async () => (await import("./commands/create_command.ts")).createCommand,
  },
  {
    name: "rm",
    summary: "mark segments for removal",
    load: async () => (await import("./commands/rm_command.ts")).rmCommand,
  },
  {
    name: "chmod",
    summary: "change who may read and write segments",
    load: async () => (await import("./commands/chmod_command.ts")).chmodCommand,
  },
  {
    name: "chown",
    summary: "give segments to another user or group",
    load: async () => (await import("./commands/chown_command.ts")).chownCommand,
  },
  {
    name: "dump",
    summary: "show bytes of a segment, or a C struct in it",
    load: async () => (await import("./commands/dump_command.ts")).dumpCommand,
  },
  {
    name: "read",
    summary: "write bytes of a segment to stdout",
    load: async () => (await import("./commands/read_command.ts")).readCommand,
  },
  {
    name: "write",
    summary: "write stdin into a segment",
    load: async () => (await import("./commands/write_command.ts")).writeCommand,
  },
  {
    name: "watch",
    summary: "show what changes in a segment, live",
    load: async () => (await import("./commands/watch_command.ts")).watchCommand,
  },
  {
    name: "top",
    summary: "watch the segments, live, on a terminal",
    load: async () => (await import("./commands/top_command.ts")).topCommand,
  },
  {
    name: "limits",
    summary: "show limits, their use, and what sets them",
    load: async () => (await import("./commands/limits_command.ts")).limitsCommand,
  },
  {
    name: "doctor",
    summary: "look for what is wrong, and say what to do",
    load: async () => (await import("./commands/doctor_command.ts")).doctorCommand,
  },
  {
    name: "completions",
    summary: "print what makes a shell complete this command",
    load: async () => (await import("./commands/completions_command.ts")).completionsCommand,
  },
];

/** The command that completes the others, for the scripts of shells; the help does not list it. */
export const COMPLETE: CommandEntry = {
  name: "__complete",
  summary: "print what completes the last word",
  load: async () => (await import("./commands/complete_command.ts")).completeCommand(COMMANDS),
};
