/**
 * The list of commands. Each is known by name before it is loaded from its own file. The file names are
 * literals, so that Deno finds them for `deno compile` and for its cache.
 */

import type { Command, CommandEntry } from "./command.ts";

/** What each command does, in the order of the help. */
const SUMMARIES = {
  server: "print the messages of a mailbox as they come",
  client: "send arguments or lines of stdin to a mailbox",
  send: "send arguments, lines or all of stdin through a channel",
  recv: "print the messages of a channel as they come",
  channel: "list channels, show one, empty or remove them",
  pub: "publish arguments or lines of stdin to a topic",
  sub: "print the messages of a topic as they are published",
  topic: "list topics, show one, remove them",
  latest: "read, write or follow a value that is always the newest",
  bridge: "pass messages to NATS JetStream or a file, and back",
  ls: "list segments, or semaphore sets",
  stat: "show all facts of one segment or semaphore set",
  create: "make a segment and print its key and id",
  rm: "mark segments for removal",
  chmod: "change who may read and write segments",
  chown: "give segments to another user or group",
  dump: "show bytes of a segment, or a C struct in it",
  read: "write bytes of a segment to stdout",
  write: "write stdin into a segment",
  watch: "show what changes in a segment, live",
  top: "watch the segments, live, on a terminal",
  limits: "show limits, their use, and what sets them",
  doctor: "look for what is wrong, and say what to do",
  struct: "print a C struct as TypeScript source",
  completions: "print what makes a shell complete this command",
} as const;

/** Where each command is. */
const LOADERS: Readonly<Record<keyof typeof SUMMARIES, () => Promise<Command>>> = {
  server: async () => (await import("./commands/server_command.ts")).serverCommand,
  client: async () => (await import("./commands/client_command.ts")).clientCommand,
  send: async () => (await import("./commands/send_command.ts")).sendCommand,
  recv: async () => (await import("./commands/recv_command.ts")).recvCommand,
  channel: async () => (await import("./commands/channel_command.ts")).channelCommand,
  pub: async () => (await import("./commands/pub_command.ts")).pubCommand,
  sub: async () => (await import("./commands/sub_command.ts")).subCommand,
  topic: async () => (await import("./commands/topic_command.ts")).topicCommand,
  latest: async () => (await import("./commands/latest_command.ts")).latestCommand,
  bridge: async () => (await import("./commands/bridge_command.ts")).bridgeCommand,
  ls: async () => (await import("./commands/ls_command.ts")).lsCommand,
  stat: async () => (await import("./commands/stat_command.ts")).statCommand,
  create: async () => (await import("./commands/create_command.ts")).createCommand,
  rm: async () => (await import("./commands/rm_command.ts")).rmCommand,
  chmod: async () => (await import("./commands/chmod_command.ts")).chmodCommand,
  chown: async () => (await import("./commands/chown_command.ts")).chownCommand,
  dump: async () => (await import("./commands/dump_command.ts")).dumpCommand,
  read: async () => (await import("./commands/read_command.ts")).readCommand,
  write: async () => (await import("./commands/write_command.ts")).writeCommand,
  watch: async () => (await import("./commands/watch_command.ts")).watchCommand,
  top: async () => (await import("./commands/top_command.ts")).topCommand,
  limits: async () => (await import("./commands/limits_command.ts")).limitsCommand,
  doctor: async () => (await import("./commands/doctor_command.ts")).doctorCommand,
  struct: async () => (await import("./commands/struct_command.ts")).structCommand,
  completions: async () => (await import("./commands/completions_command.ts")).completionsCommand,
};

/** All commands. */
export const COMMANDS: readonly CommandEntry[] = Object.entries(SUMMARIES).map(
  ([name, summary]) => ({ name, summary, load: LOADERS[name as keyof typeof SUMMARIES] }),
);

/** The command that completes the others, for the scripts of shells; the help does not list it. */
export const COMPLETE: CommandEntry = {
  name: "__complete",
  summary: "print what completes the last word",
  load: async () => (await import("./commands/complete_command.ts")).completeCommand(COMMANDS),
};
