/** What is measured: each peer, the programs of its two sides, and about how fast it is. */

/** One side: a file of `peers/`, and the role it plays. */
export type Side = readonly [program: string, role: string];

/** The side that receives or answers, and the side that begins and may start the other one itself. */
export type Sides = readonly [receiver: Side | undefined, sender: Side];

/** What a peer is addressed by. */
export type AddressKind = "key" | "lanes" | "path" | "unix" | "tcp" | "none";

/** A technology to send by. */
export interface PeerKind {
  readonly id: string;
  readonly name: string;
  readonly address: AddressKind;
  /** About how many small messages and bytes a second, to find a first count by. */
  readonly about: readonly [messages: number, bytes: number];
  /** Whether many messages are published or written at a time. */
  readonly batched?: true;
  readonly throughput?: Sides;
  /** Round trips where both sides spin without end. */
  readonly spinning?: Sides;
  /** Round trips where a side sleeps when nothing comes. */
  readonly sleeping?: Sides;
  /** Whether both sides are one process. */
  readonly oneProcess?: true;
}

const FAST = [2e7, 5e9] as const;
const SOCKET = [2e5, 1e9] as const;
const MAILBOX = [1e5, 1e9] as const;

function both(receiver: string, sender: string, program: string, other = program): Sides {
  return [[program, receiver], [other, sender]];
}

/** A peer whose two sides are the same program and use the same calls in all measures. */
function alike(
  id: string,
  name: string,
  address: AddressKind,
  program: string,
  about: PeerKind["about"] = SOCKET,
): PeerKind {
  return {
    id,
    name,
    address,
    about,
    throughput: both("recv", "send", program),
    sleeping: both("pong", "ping", program),
  };
}

/** A peer whose sender starts the receiver, or is both. */
function alone(
  id: string,
  name: string,
  program: string,
  about: PeerKind["about"] = SOCKET,
): PeerKind {
  return {
    id,
    name,
    address: "none",
    about,
    throughput: [undefined, [program, "send"]],
    sleeping: [undefined, [program, "ping"]],
  };
}

/** A channel that publishes batches, and spins for round trips. */
function batchedChannel(id: string, name: string, receiver: string, sender: string): PeerKind {
  return {
    id,
    name,
    address: "lanes",
    about: FAST,
    batched: true,
    throughput: both("recv", "send", receiver, sender),
    spinning: both("pong", "ping", receiver, sender),
  };
}

function mailbox(id: string, name: string, sleeping: Sides): PeerKind {
  return { id, name, address: "key", about: MAILBOX, sleeping };
}

/** All of them, in the order of the report. */
export const PEERS: readonly PeerKind[] = [
  mailbox(
    "mailbox-await",
    "mailbox, promises (await send, for await)",
    both("pong-await", "ping-await", "mailbox.ts"),
  ),
  mailbox(
    "mailbox-sync",
    "mailbox, blocking (sendSync, receiveSync)",
    both("pong", "ping", "mailbox.ts"),
  ),
  mailbox("mailbox-c", "C twin of the mailbox", both("pong", "ping", "mailbox.c")),
  {
    id: "channel-await",
    name: "channel, promises (await send, for await)",
    address: "lanes",
    about: [1e6, 2e9],
    throughput: both("recv-await", "send-await", "channel.ts"),
    sleeping: both("pong-await", "ping-await", "channel.ts"),
  },
  {
    id: "channel-sync",
    name: "channel, blocking (sendSync, receiveSync)",
    address: "lanes",
    about: [2e6, 2e9],
    throughput: both("recv-sync", "send-sync", "channel.ts"),
    sleeping: both("pong-sync", "ping-sync", "channel.ts"),
  },
  batchedChannel("channel-ts-ts", "channel, TS to TS", "channel.ts", "channel.ts"),
  batchedChannel("channel-ts-c", "channel, TS to C", "channel.c", "channel.ts"),
  batchedChannel("channel-c-ts", "channel, C to TS", "channel.ts", "channel.c"),
  {
    ...batchedChannel("channel-c-c", "C twin of the channel", "channel.c", "channel.c"),
    sleeping: both("pong-wait", "ping-wait", "channel.c"),
  },
  {
    id: "latest-await",
    name: "Latest, promises (write, wait, changes)",
    address: "key",
    about: FAST,
    sleeping: both("pong-await", "ping-await", "latest.ts"),
  },
  {
    id: "latest-c",
    name: "C twin of the Latest",
    address: "key",
    about: FAST,
    sleeping: both("pong", "ping", "latest.c"),
  },
  alike("deno-unix", "Unix socket, Deno", "unix", "socket.ts"),
  {
    id: "deno-unix-batch",
    name: "Unix socket, Deno, a batch a write",
    address: "unix",
    about: [2e7, 1e9],
    batched: true,
    throughput: both("recv", "send-batch", "socket.ts"),
  },
  alike("deno-tcp", "TCP loopback, Deno", "tcp", "socket.ts"),
  alone("deno-stdin", "a child's stdin, Deno", "stdin_pipe.ts"),
  { ...alone("deno-worker", "Worker postMessage, Deno", "worker.ts"), oneProcess: true },
  {
    id: "node-shm",
    name: "shm-typed-array, Node",
    address: "key",
    about: FAST,
    batched: true,
    throughput: both("recv", "send", "node_shm.cjs"),
    spinning: both("pong", "ping", "node_shm.cjs"),
  },
  alike("node-zeromq", "zeromq ipc://, Node", "path", "node_zeromq.cjs"),
  alike("node-unix", "Unix socket, Node", "path", "node_unix_socket.cjs"),
  alone("node-ipc", "child_process IPC, Node", "node_ipc.cjs", [1e5, 2e8]),
  alike("c-pipe", "pipe, C", "path", "pipe.c", [1e6, 2e9]),
  alike("c-unix", "Unix socket, C", "path", "unix_socket.c", [1e6, 2e9]),
];

/** Names of what is measured beside them. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  "cli": "cli.ts",
  "import": "import @sysv/shm",
  "deno-empty": "deno, an empty program",
  "node-empty": "node, an empty program",
  "ipcs": "ipcs -m",
  "ts": "Deno (this library)",
  "c": "C (our headers)",
  "node": "Node (shm-typed-array)",
  "latest-ts": "Latest, Deno",
  "topic-ts": "topic, Deno",
  "topic-c": "C twin of the topic",
  "iceoryx": "iceoryx, C",
  "bridge": "bridge to NATS, recordings",
  "deno-broadcast": "BroadcastChannel to Workers, Deno",
};

/** The peer with that id. */
export function peerKind(id: string): PeerKind | undefined {
  return PEERS.find((kind) => kind.id === id);
}

/** The name of a peer, or of what else is measured. */
export function nameOf(id: string): string {
  return peerKind(id)?.name ?? OTHER_NAMES[id] ?? id;
}
