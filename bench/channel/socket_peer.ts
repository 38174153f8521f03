/**
 * The same measurements over a Unix stream socket in Deno; roles as in `peer.ts`, with a path for a key.
 */

import { percentiles } from "./percentiles.ts";

const [role = "", path = "", ...numbers] = Deno.args;
const [first = 0, second = 0] = numbers.map(Number);
const WARM_UP = 2_000;

async function connect(): Promise<Deno.UnixConn> {
  for (;;) {
    try {
      return await Deno.connect({ transport: "unix", path });
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

async function readAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += await connection.read(bytes.subarray(done)) ?? bytes.length;
  }
}

if (role === "recv" || role === "pong") {
  using listener = Deno.listen({ transport: "unix", path });
  using connection = await listener.accept();
  if (role === "pong") {
    const message = new Uint8Array(8);
    for (let left = second === 0 ? first + WARM_UP : first; left > 0; left--) {
      await readAll(connection, message);
      await writeAll(connection, message);
    }
  } else {
    // One read may bring many messages: the kindest case for the socket
    const buffer = new Uint8Array(65536);
    let left = first * second;
    let start = 0;
    while (left > 0) {
      left -= await connection.read(buffer) ?? left;
      start ||= performance.now();
    }
    console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
  }
} else {
  using connection = await connect();
  if (role === "send") {
    const message = new Uint8Array(first).fill(1);
    for (let left = second; left > 0; left--) await writeAll(connection, message);
  } else {
    const message = new Uint8Array(8);
    const times = new Float64Array(first);
    for (let i = second === 0 ? -WARM_UP : 0; i < first; i++) {
      if (second > 0) await new Promise((resolve) => setTimeout(resolve, second));
      const start = performance.now();
      await writeAll(connection, message);
      await readAll(connection, message);
      if (i >= 0) times[i] = performance.now() - start;
    }
    console.log(JSON.stringify(percentiles(times)));
  }
}
