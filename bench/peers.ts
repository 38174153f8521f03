/** Who is measured: each peer, what starts its sides, and how fast it is about. */

/** One side: a file of `peers/`, and the role it plays. */
export type Side = readonly [program: string, role: string];

/** What a peer is addressed by. */
export type AddressKind = "key" | "lanes" | "path" | "unix" | "tcp" | "none";

/** A technology to send by. */
export interface PeerKind {
  readonly id: string;
  readonly name: string;
  readonly address: AddressKind;
  /** The largest message it is asked to carry. */
  readonly most: number;
  /** About how many small messages and bytes a second, to find a first count by. */
  readonly about: readonly [messages: number, bytes: number];
  /** The receiver and the sender; where the sender starts the receiver itself, only that. */
  readonly throughput?: readonly [recv: Side | undefined, send: Side];
  readonly roundTrip?: readonly [pong: Side | undefined, ping: Side];
  /** Round trips with a pause before each, so that the other side sleeps. */
  readonly wake?: readonly [pong: Side | undefined, ping: Side];
  /** Whether both sides are one process. */
  readonly oneProcess?: true;
}

const ANY = 1 << 24;
const FAST = [2e7, 5e9] as const;
const SOCKET = [2e5, 1e9] as const;

/** A peer whose two sides are the same program. */
function alike(
  kind: Omit<PeerKind, "throughput" | "roundTrip" | "wake">,
  program: string,
  wake = true,
): PeerKind {
  const there: [Side, Side] = [[program, "pong"], [program, "ping"]];
  return {
    ...kind,
    throughput: [[program, "recv"], [program, "send"]],
    roundTrip: there,
    ...(wake ? { wake: there } : {}),
  };
}

/** A peer whose sender starts the receiver, or is both. */
function alone(
  kind: Omit<PeerKind, "throughput" | "roundTrip" | "wake" | "address">,
  program: string,
): PeerKind {
  const ping: Side = [program, "ping"];
  return {
    ...kind,
    address: "none",
    throughput: [undefined, [program, "send"]],
    roundTrip: [undefined, ping],
    wake: [undefined, ping],
  };
}

const channel = { address: "lanes", most: ANY, about: FAST } as const;

/** All of them, in the order of the report. */
export const PEERS: readonly PeerKind[] = [
  {
    ...channel,
    id: "channel-ts-ts",
    name: "channel, TS to TS",
    throughput: [["channel.ts", "recv"], ["channel.ts", "send"]],
    roundTrip: [["channel.ts", "pong"], ["channel.ts", "ping"]],
  },
  {
    ...channel,
    id: "channel-ts-c",
    name: "channel, TS to C",
    throughput: [["channel.c", "recv"], ["channel.ts", "send"]],
    roundTrip: [["channel.c", "pong"], ["channel.ts", "ping"]],
  },
  {
    ...channel,
    id: "channel-c-ts",
    name: "channel, C to TS",
    throughput: [["channel.ts", "recv"], ["channel.c", "send"]],
    roundTrip: [["channel.ts", "pong"], ["channel.c", "ping"]],
  },
  {
    ...channel,
    id: "channel-c-c",
    name: "C twin of the channel",
    throughput: [["channel.c", "recv"], ["channel.c", "send"]],
    roundTrip: [["channel.c", "pong"], ["channel.c", "ping"]],
    wake: [["channel.c", "pong-wait"], ["channel.c", "ping-wait"]],
  },
  {
    ...channel,
    about: [2e6, 2e9],
    id: "channel-each",
    name: "channel, one by one (sendSync, receiveSync)",
    throughput: [["channel.ts", "recv-each"], ["channel.ts", "send-each"]],
    roundTrip: [["channel.ts", "pong-each"], ["channel.ts", "ping-each"]],
    wake: [["channel.ts", "pong-each"], ["channel.ts", "ping-each"]],
  },
  {
    ...channel,
    about: [1e6, 2e9],
    id: "channel-await",
    name: "channel, promises (await send, for await)",
    throughput: [["channel.ts", "recv-await"], ["channel.ts", "send-await"]],
    roundTrip: [["channel.ts", "pong-await"], ["channel.ts", "ping-await"]],
    wake: [["channel.ts", "pong-await"], ["channel.ts", "ping-await"]],
  },
  {
    ...alike(
      { id: "mailbox", name: "mailbox", address: "key", most: 1024, about: [3e4, 1e9] },
      "mailbox.ts",
      false,
    ),
    wake: [["mailbox.ts", "pong-await"], ["mailbox.ts", "ping-await"]],
  },
  alike(
    {
      id: "mailbox-c",
      name: "C twin of the mailbox",
      address: "key",
      most: 1024,
      about: [3e4, 1e9],
    },
    "mailbox.c",
  ),
  alike(
    { id: "deno-unix", name: "Unix socket, Deno", address: "unix", most: ANY, about: SOCKET },
    "socket.ts",
  ),
  {
    id: "deno-unix-together",
    name: "Unix socket, Deno, a batch a write",
    address: "unix",
    most: 1024,
    about: [2e7, 1e9],
    throughput: [["socket.ts", "recv"], ["socket.ts", "send-together"]],
  },
  alike(
    { id: "deno-tcp", name: "TCP loopback, Deno", address: "tcp", most: ANY, about: SOCKET },
    "socket.ts",
  ),
  alone(
    { id: "deno-stdin", name: "a child's stdin, Deno", most: ANY, about: SOCKET },
    "stdin_pipe.ts",
  ),
  {
    ...alone(
      { id: "deno-worker", name: "Worker postMessage, Deno", most: ANY, about: SOCKET },
      "worker.ts",
    ),
    oneProcess: true,
  },
  alike(
    { id: "node-shm", name: "shm-typed-array, Node", address: "key", most: ANY, about: FAST },
    "node_shm.cjs",
    false,
  ),
  alike(
    { id: "node-zeromq", name: "zeromq ipc://, Node", address: "path", most: ANY, about: SOCKET },
    "node_zeromq.cjs",
  ),
  alike(
    { id: "node-unix", name: "Unix socket, Node", address: "path", most: ANY, about: SOCKET },
    "node_unix_socket.cjs",
  ),
  alone(
    { id: "node-ipc", name: "child_process IPC, Node", most: ANY, about: [1e5, 2e8] },
    "node_ipc.cjs",
  ),
  alike(
    { id: "c-pipe", name: "pipe, C", address: "path", most: ANY, about: [1e6, 2e9] },
    "pipe.c",
  ),
  alike(
    { id: "c-unix", name: "Unix socket, C", address: "path", most: ANY, about: [1e6, 2e9] },
    "unix_socket.c",
  ),
];

/** Names of what is measured that is not sent by: for the report. */
export const OTHER_NAMES: Readonly<Record<string, string>> = {
  "cli": "cli.ts",
  "import": "import @sysv/shm",
  "deno-empty": "deno, an empty program",
  "node-empty": "node, an empty program",
  "ipcs": "ipcs -m",
  "ts": "Deno (this library)",
  "c": "C (our headers, shmget)",
  "node": "Node (shm-typed-array)",
  "fields": "fields",
};
