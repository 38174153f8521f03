/** `zeromq` in Node over `ipc://`: PUSH and PULL, and a PAIR for round trips. ADDRESS is a path. */
// deno-lint-ignore-file explicit-function-return-type no-process-global -- JavaScript, for Node
const fs = require("node:fs");
const zmq = require("zeromq");
const { Arrivals, COPIED, leave, Meter, play, RoundTrips } = require("./node_peer.cjs");

/** Waits until the receiver has bound its path, or has taken it away. */
async function untilPath({ address }, there) {
  while (fs.existsSync(address) !== there) await new Promise((resolve) => setTimeout(resolve, 5));
}

play({
  async recv(part) {
    const socket = new zmq.Pull();
    await socket.bind(`ipc://${part.address}`);
    const arrivals = new Arrivals(part);
    const copy = new Uint8Array(part.size);
    while (arrivals.open) {
      const [message] = await socket.receive();
      if (part.size >= COPIED) copy.set(message);
      arrivals.add(1);
    }
    fs.rmSync(part.address, { force: true });
    leave();
  },
  async send(part) {
    await untilPath(part, true);
    const socket = new zmq.Push();
    socket.connect(`ipc://${part.address}`);
    const message = Buffer.alloc(part.size, 1);
    const meter = new Meter(part);
    for (let left = part.warm; left > 0; left--) await socket.send(message);
    meter.begin();
    for (let left = part.count; left > 0; left--) await socket.send(message);
    meter.end(part.count);
    // What is out of our hands may still be in our process, and is lost with it: stay until all came
    await untilPath(part, false);
    leave();
  },
  async ping(part) {
    const socket = new zmq.Pair();
    socket.connect(`ipc://${part.address}`);
    const message = Buffer.alloc(part.size);
    const trips = new RoundTrips(part);
    while (trips.open) {
      if (part.pause > 0) await trips.pause();
      await socket.send(message);
      await socket.receive();
      trips.done();
    }
    trips.end();
    leave();
  },
  async pong(part) {
    const socket = new zmq.Pair();
    await socket.bind(`ipc://${part.address}`);
    const meter = new Meter(part);
    for (let left = part.count + part.warm; left > 0; left--) {
      if (left === part.count) meter.begin();
      const [message] = await socket.receive();
      await socket.send(message);
    }
    meter.end(part.count);
    socket.close();
  },
});
