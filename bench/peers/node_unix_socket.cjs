/** A Unix socket in Node, by its streams' events. ADDRESS is its path. */
// deno-lint-ignore-file explicit-function-return-type no-process-global -- JavaScript, for Node
const net = require("node:net");
const { Arrivals, leave, Meter, play, RoundTrips } = require("./node_peer.cjs");

function listen({ address }) {
  return new Promise((resolve) => net.createServer(resolve).listen(address));
}

async function connect({ address }) {
  for (;;) {
    const socket = await new Promise((resolve) => {
      const trying = net.connect(address, () => resolve(trying));
      trying.once("error", () => resolve(undefined)); // the other side is not there yet
    });
    if (socket !== undefined) return socket;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Calls back with each whole message's worth of bytes. */
function onMessages(socket, size, arrived) {
  let bytes = 0;
  socket.on("data", (chunk) => {
    bytes += chunk.length;
    const messages = Math.floor(bytes / size);
    bytes -= messages * size;
    if (messages > 0) arrived(messages);
  });
}

play({
  async recv(part) {
    const socket = await listen(part);
    const arrivals = new Arrivals(part);
    onMessages(socket, part.size, (messages) => {
      arrivals.add(messages);
      if (!arrivals.open) leave();
    });
  },
  async send(part) {
    const socket = await connect(part);
    const message = Buffer.alloc(part.size, 1);
    const meter = new Meter(part);
    const run = async (count) => {
      for (let left = count; left > 0; left--) {
        if (!socket.write(message)) await new Promise((resolve) => socket.once("drain", resolve));
      }
    };
    await run(part.warm);
    meter.begin();
    await run(part.count);
    await new Promise((resolve) => socket.end(resolve));
    meter.end(part.count);
    leave();
  },
  async ping(part) {
    const socket = await connect(part);
    const message = Buffer.alloc(part.size);
    const trips = new RoundTrips(part);
    let came;
    onMessages(socket, part.size, () => came());
    while (trips.open) {
      if (part.pause > 0) await trips.pause();
      const next = new Promise((resolve) => came = resolve);
      socket.write(message);
      await next;
      trips.done();
    }
    trips.end();
    leave();
  },
  async pong(part) {
    const socket = await listen(part);
    const message = Buffer.alloc(part.size);
    const meter = new Meter(part);
    meter.begin();
    socket.on("close", () => {
      meter.end(part.count);
      leave();
    });
    onMessages(socket, part.size, () => socket.write(message));
  },
});
