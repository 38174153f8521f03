/**
 * One sender and several receivers in Deno, as programs do it without shared memory. ADDRESS is PATH/RECEIVERS.
 * `send` and `recv` use Unix sockets: the sender writes each batch to all of them. `broadcast` is one process:
 * Workers that listen on a `BroadcastChannel`. It has no end to its queue, so each Worker acknowledges a window.
 */

import { batchOf, Meter, type Part, play } from "./peer.ts";

const IN_WORKER = "DedicatedWorkerGlobalScope" in globalThis;
/** Deno drops messages of a `BroadcastChannel` once 256 wait. */
const WINDOW = 128;
const NAME = "fan-out";
const ACKNOWLEDGED = "fan-out acknowledged";

function split({ address }: Part): { path: string; receivers: number } {
  const at = address.lastIndexOf("/");
  return {
    path: address.slice(0, at),
    receivers: Number(address.slice(at + 1)),
  };
}

async function writeAll(
  connection: Deno.Conn,
  bytes: Uint8Array,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    at += await connection.write(bytes.subarray(at));
  }
}

async function send(part: Part): Promise<void> {
  const { path, receivers } = split(part);
  using listener = Deno.listen({ transport: "unix", path });
  const connections: Deno.Conn[] = [];
  while (connections.length < receivers) {
    connections.push(await listener.accept());
  }
  const batch = new Uint8Array(batchOf(part.size) * part.size).fill(1);
  const meter = new Meter(part);
  const run = async (count: number): Promise<void> => {
    for (let left = count * part.size; left > 0; left -= batch.length) {
      const bytes = batch.subarray(0, left);
      await Promise.all(
        connections.map((connection) => writeAll(connection, bytes)),
      );
    }
  };
  await run(part.warm);
  meter.begin();
  await run(part.count);
  meter.end(part.count);
  for (const connection of connections) connection.close();
}

async function recv(part: Part): Promise<void> {
  const { path } = split(part);
  let connection: Deno.Conn | undefined;
  while (connection === undefined) {
    connection = await Deno.connect({ transport: "unix", path }).catch(() => undefined);
    if (connection === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }
  const buffer = new Uint8Array(1 << 18);
  const meter = new Meter(part);
  let bytes = 0;
  let sum = 0;
  for (;;) {
    const read = await connection.read(buffer);
    if (read === null) break;
    for (let at = 0; at < read; at += part.size) sum += buffer[at]!;
    bytes += read;
    if (!meter.running && bytes >= part.warm * part.size) {
      bytes = 0;
      meter.begin();
    }
  }
  meter.end(bytes / part.size, { sum });
  connection.close();
}

async function broadcast(part: Part): Promise<void> {
  const { receivers } = split(part);
  const channel = new BroadcastChannel(NAME);
  const answers = new BroadcastChannel(ACKNOWLEDGED);
  let waiting = 0;
  let all: () => void = () => {};
  const answered = (): Promise<void> => {
    waiting = receivers;
    return new Promise((resolve) => all = resolve);
  };
  answers.onmessage = () => {
    if (--waiting === 0) all();
  };
  const ready = answered();
  const workers = Array.from(
    { length: receivers },
    () => new Worker(import.meta.url, { type: "module" }),
  );
  await ready;
  const message = new Uint8Array(part.size).fill(1);
  const run = async (windows: number): Promise<void> => {
    for (; windows > 0; windows--) {
      const next = answered();
      for (let i = 0; i < WINDOW; i++) channel.postMessage(message);
      await next;
    }
  };
  await run(Math.ceil(part.warm / WINDOW));
  const meter = new Meter({ ...part, role: "recv" });
  meter.begin();
  const windows = Math.ceil(part.count / WINDOW);
  await run(windows);
  meter.end(windows * WINDOW);
  for (const worker of workers) worker.terminate();
  channel.close();
  answers.close();
}

function listen(): void {
  const channel = new BroadcastChannel(NAME);
  const answers = new BroadcastChannel(ACKNOWLEDGED);
  let since = 0;
  channel.onmessage = () => {
    if (++since % WINDOW === 0) answers.postMessage(since);
  };
  answers.postMessage(0);
}

if (IN_WORKER) listen();
else await play({ send, recv, broadcast });
