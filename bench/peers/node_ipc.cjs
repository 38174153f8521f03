/**
 * `child_process` IPC in Node, with the serialisation that keeps bytes bytes. `send` and `ping` start the
 * other side, on the core that the environment's PEER_CORE names. ADDRESS is not used.
 */
// deno-lint-ignore-file explicit-function-return-type no-process-global -- JavaScript, for Node
const { fork } = require("node:child_process");
const { Arrivals, COPIED, leave, Meter, play, RoundTrips } = require("./node_peer.cjs");

/** Messages sent before their callbacks are awaited: the queue has no end of its own. */
const WINDOW_BYTES = 1 << 20;
const WINDOW_MOST = 256;
const CHILD = { send: "recv", ping: "pong" };

function start(part) {
  const [, ...others] = process.argv.slice(2);
  const core = process.env.PEER_CORE;
  const pinned = core === undefined ? {} : {
    execPath: "taskset",
    execArgv: ["-c", core, process.execPath],
  };
  return fork(__filename, [CHILD[part.role], ...others], { serialization: "advanced", ...pinned });
}

play({
  recv(part) {
    const arrivals = new Arrivals(part);
    const copy = new Uint8Array(part.size);
    process.on("message", (message) => {
      if (part.size >= COPIED) copy.set(message);
      arrivals.add(1);
      if (!arrivals.open) leave();
    });
  },
  async send(part) {
    const child = start(part);
    const message = Buffer.alloc(part.size, 1);
    const window = Math.max(1, Math.min(WINDOW_MOST, Math.floor(WINDOW_BYTES / part.size)));
    const meter = new Meter(part);
    const run = async (count) => {
      for (let left = count; left > 0; left--) {
        if (left % window !== 0) child.send(message);
        else await new Promise((resolve) => child.send(message, resolve));
      }
    };
    await run(part.warm);
    meter.begin();
    await run(part.count);
    meter.end(part.count);
  },
  async ping(part) {
    const child = start(part);
    const message = Buffer.alloc(part.size);
    const trips = new RoundTrips(part);
    let came;
    child.on("message", () => came());
    while (trips.open) {
      if (part.pause > 0) await trips.pause();
      const next = new Promise((resolve) => came = resolve);
      child.send(message);
      await next;
      trips.done();
    }
    trips.end();
    child.disconnect();
  },
  pong(part) {
    const meter = new Meter(part);
    meter.begin();
    process.on("message", (message) => process.send(message));
    process.on("disconnect", () => {
      meter.end(part.count);
      leave();
    });
  },
});
