/**
 * A child's standard streams in Deno: `send` and `ping` start the other side and write to its stdin; it
 * answers on its stdout. It runs on the core that the environment's PEER_CORE names. ADDRESS is not used.
 */

import { type Part, play } from "./peer.ts";
import { ping, pong, type Reading, recv, send, type Writing } from "./streams.ts";

const CHILD: Readonly<Record<string, string>> = { send: "recv", ping: "pong" };

/** Deno gives a child's pipes as streams only. */
function writing(stream: WritableStream<Uint8Array>): Writing {
  const writer = stream.getWriter();
  return {
    write: async (bytes) => {
      // The stream may keep what it is given: no message changes once it is sent
      await writer.write(bytes);
      return bytes.length;
    },
  };
}

function reading(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Reading {
  const reader = stream.getReader({ mode: "byob" });
  return {
    read: async (bytes) => {
      // At the end there is a value too, an empty one
      const { done, value } = await reader.read(new Uint8Array(bytes.length));
      if (done) return null;
      bytes.set(value);
      return value.length;
    },
  };
}

function start(part: Part): Deno.ChildProcess {
  const [, ...others] = Deno.args;
  const core = Deno.env.get("PEER_CORE");
  const [command, ...args] = [
    ...(core === undefined ? [] : ["taskset", "-c", core]),
    Deno.execPath(),
    "run",
    "-A",
    import.meta.filename!,
    CHILD[part.role]!,
    ...others,
  ];
  return new Deno.Command(command!, { args, stdin: "piped", stdout: "piped" }).spawn();
}

/** The child's line comes last on its stdout. */
async function passOn(from: Reading): Promise<void> {
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await from.read(buffer);
    if (count === null) return;
    Deno.stdout.writeSync(buffer.subarray(0, count));
  }
}

await play({
  recv: (part) => recv(part, Deno.stdin),
  send: async (part) => {
    const child = start(part);
    await send(part, writing(child.stdin));
    await passOn(reading(child.stdout));
    await child.status;
  },
  ping: async (part) => {
    const child = start(part);
    const from = reading(child.stdout);
    await ping(part, from, writing(child.stdin));
    await passOn(from);
    await child.status;
  },
  pong: (part) => pong(part, Deno.stdin, Deno.stdout),
});
