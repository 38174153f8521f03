/**
 * A Unix socket or TCP loopback in Deno. ADDRESS is `unix:PATH` or `tcp:PORT`. `send-batch` gathers
 * a batch of messages for each write. `idle` waits PAUSE milliseconds for a message that does not come.
 */

import { idling, type Part, play, SETTLE_MS } from "./peer.ts";
import { ping, pong, recv, send, sendBatches } from "./streams.ts";

const LOOPBACK = "127.0.0.1";

async function listen({ address }: Part): Promise<Deno.Conn> {
  const [kind, place = ""] = address.split(":");
  using listener = kind === "unix"
    ? Deno.listen({ transport: "unix", path: place })
    : Deno.listen({ hostname: LOOPBACK, port: Number(place) });
  return ready(await listener.accept());
}

async function connect({ address }: Part): Promise<Deno.Conn> {
  const [kind, place = ""] = address.split(":");
  for (;;) {
    try {
      return ready(
        kind === "unix"
          ? await Deno.connect({ transport: "unix", path: place })
          : await Deno.connect({ hostname: LOOPBACK, port: Number(place) }),
      );
    } catch (error) {
      // The other side is not there yet
      const early = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.ConnectionRefused;
      if (!early) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
}

function ready(connection: Deno.Conn): Deno.Conn {
  if ("setNoDelay" in connection) (connection as Deno.TcpConn).setNoDelay();
  return connection;
}

async function idle(part: Part): Promise<void> {
  using listener = Deno.listen({ transport: "unix", path: part.address.split(":")[1]! });
  const over = setTimeout(() => listener.close(), SETTLE_MS + part.pause);
  await idling(part, listener.accept());
  clearTimeout(over);
}

await play({
  recv: async (part) => {
    using connection = await listen(part);
    await recv(part, connection);
  },
  send: async (part) => {
    using connection = await connect(part);
    await send(part, connection);
  },
  "send-batch": async (part) => {
    using connection = await connect(part);
    await sendBatches(part, connection);
  },
  ping: async (part) => {
    using connection = await connect(part);
    await ping(part, connection, connection);
  },
  pong: async (part) => {
    using connection = await listen(part);
    await pong(part, connection, connection);
  },
  idle,
});
