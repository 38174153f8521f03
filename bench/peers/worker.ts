/**
 * A Worker's `postMessage` in Deno: one process, two threads, so one line for both. `postMessage` has no
 * end to its queue: a window of messages is acknowledged by the Worker. ADDRESS is not used.
 */

import { COPIED, Meter, type Part, play, RoundTrips } from "./peer.ts";

const IN_WORKER = "DedicatedWorkerGlobalScope" in globalThis;
const WINDOW_BYTES = 1 << 22;
const WINDOW_MOST = 1024;

/** Messages between two acknowledgements. */
function windowOf(size: number): number {
  return Math.max(1, Math.min(WINDOW_MOST, Math.floor(WINDOW_BYTES / size)));
}

/** In the Worker itself. */
function answer(role: string, size: number): void {
  const scope = self as unknown as {
    onmessage: (event: MessageEvent<Uint8Array>) => void;
    postMessage: (message: unknown) => void;
  };
  const window = windowOf(size);
  const copy = new Uint8Array(size);
  let since = 0;
  scope.onmessage = ({ data }) => {
    if (role === "ping") return scope.postMessage(data);
    if (size >= COPIED) copy.set(data);
    if (++since === window) {
      since = 0;
      scope.postMessage(null);
    }
  };
}

function start(part: Part): Worker {
  return new Worker(import.meta.url, { type: "module", name: `${part.role}/${part.size}` });
}

async function send(part: Part): Promise<void> {
  const worker = start(part);
  const meter = new Meter({ ...part, role: "recv" });
  const message = new Uint8Array(part.size).fill(1);
  const window = windowOf(part.size);
  let acknowledged: () => void = () => {};
  worker.onmessage = () => acknowledged();
  const run = async (windows: number): Promise<void> => {
    for (let left = windows; left > 0; left--) {
      const next = new Promise<void>((resolve) => acknowledged = resolve);
      for (let i = 0; i < window; i++) worker.postMessage(message);
      await next;
    }
  };
  await run(Math.max(1, Math.floor(part.warm / window)));
  meter.begin();
  const windows = Math.max(1, Math.floor(part.count / window));
  await run(windows);
  meter.end(windows * window);
  worker.terminate();
}

async function ping(part: Part): Promise<void> {
  const worker = start(part);
  const message = new Uint8Array(part.size);
  let came: () => void = () => {};
  worker.onmessage = () => came();
  const trips = new RoundTrips(part);
  while (trips.open) {
    if (part.pause > 0) await trips.pause();
    const next = new Promise<void>((resolve) => came = resolve);
    worker.postMessage(message);
    await next;
    trips.done();
  }
  trips.end();
  worker.terminate();
}

if (!IN_WORKER) await play({ send, ping });
else {
  const [role = "", size] = self.name.split("/");
  answer(role, Number(size));
}
