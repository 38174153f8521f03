/** `bridge`: both directions with a real server, credentials from a file, and what it says when it cannot. */

import assert from "node:assert/strict";
import { Channel } from "../../../mod.ts";
import { natsClient, NatsServer, selfSigned, testWithNats } from "../../nats/nats_server.ts";
import { guardAgainstLeaks } from "../../support/leaks.ts";
import { testWith } from "../../support/needs.ts";
import { freshKey, Peer, PROJECT } from "../../support/peer.ts";

guardAgainstLeaks();

const CLI = { tools: ["deno"] };

/** Runs the command with the permissions it asks for. */
function bridge(...args: readonly string[]): Peer {
  const allowed = ["--allow-ffi", "--allow-net=127.0.0.1"];
  return Peer.start(Deno.execPath(), ["run", ...allowed, `${PROJECT}cli.ts`, "bridge", ...args]);
}

testWithNats("bridge out, in: from one channel to another, until Ctrl-C", async () => {
  await using server = await NatsServer.start();
  using near = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using far = Channel.openOrCreate({ key: freshKey(), laneCapacity: 4096 });
  using producer = near.producer();
  using consumer = far.consumer();
  const common = [`--server=${server.url}`, "--stream=S"];
  await using out = bridge("out", `--key=${near.key}`, ...common, "--subject=s.x", "--create");
  await out.stderr(new RegExp(`^bridge out: key ${near.key} .*, stream S of ${server.url}$`, "m"));
  const sent = Array.from({ length: 20 }, (_, n) => `message ${n}`);
  for (const [n, text] of sent.entries()) {
    await producer.send(new TextEncoder().encode(text), { tag: n });
  }
  while ((await storedOrNone(server)) < sent.length) await new Promise((go) => setTimeout(go, 20));
  await using into = bridge("in", `--key=${far.key}`, ...common, "--durable=d");
  for (const [n, text] of sent.entries()) {
    const message = await consumer.receive();
    assert.deepEqual([message.text, message.tag], [text, n]);
  }
  consumer.ack();
  for (const [peer, segment] of [[out, near.id], [into, far.id]] as const) {
    peer.kill("SIGINT");
    const { code, stdout, stderr } = await peer.ended();
    assert.deepEqual([code, stdout], [0, ""], stderr);
    assert(
      stderr.endsWith(
        `ended by SIGINT: 20 messages passed on; segment ${segment} kept: ` +
          "other processes are attached\n",
      ),
      stderr,
    );
  }
}, CLI);

async function storedOrNone(server: NatsServer): Promise<number> {
  return await server.stored("S").then(({ length }) => length, () => 0);
}

testWithNats("bridge out: credentials and TLS come from a file", async () => {
  await using server = await NatsServer.start((folder) => {
    selfSigned(folder);
    return `tls { cert_file: "${folder.path}/cert.pem", key_file: "${folder.path}/key.pem" }
      authorization { user: me, password: secret }`;
  });
  const { path } = server.folder;
  const connect = { user: "me", pass: "secret", tls: { caFile: `${path}/cert.pem` } };
  const file = server.folder.file("connect.json", JSON.stringify(connect));
  const args = ["out", `--key=${freshKey()}`, `--server=${server.url}`, "--stream=S"];
  await using peer = bridge(...args, "--subject=s", "--create", `--connect=${file}`);
  await peer.stderr(/^bridge out: /m);
  while (!(await isThere(server, connect))) await new Promise((go) => setTimeout(go, 20));
  peer.kill("SIGTERM");
  assert.equal((await peer.ended()).code, 143);
}, { tools: ["deno", "openssl"] });

/** Whether the stream was created. */
async function isThere(
  server: NatsServer,
  { user, pass }: { readonly user: string; readonly pass: string },
): Promise<boolean> {
  const tls = { ca: Deno.readTextFileSync(`${server.folder.path}/cert.pem`) };
  return await server.with(async (connection) => {
    const { streams } = await natsClient().jetstreamManager(connection);
    return await streams.info("S").then(() => true, () => false);
  }, { user, pass, tls });
}

testWithNats("bridge: Ctrl-C ends it while a server that it connects to is silent", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const server = `--server=127.0.0.1:${silent.addr.port}`;
  const key = freshKey();
  await using peer = bridge("in", `--key=${key}`, "--stream=S", "--durable=d", server);
  using _connection = await silent.accept();
  peer.kill("SIGINT");
  const { code, stderr } = await peer.ended();
  assert.match(stderr, /^ended by SIGINT: 0 messages passed on; segment \d+ removed$/m);
  assert.equal(code, 0);
});

testWithNats("bridge: one line says what is missing", async () => {
  await using server = await NatsServer.start();
  const key = `--key=${freshKey()}`;
  const rows: readonly [args: readonly string[], error: RegExp][] = [
    [
      ["out", "--subject=s", `--server=${server.url}`],
      /^error: cannot find stream S: ESTREAM, stream not found\n$/m,
    ],
    [
      ["in", "--durable=d", "--server=nats://127.0.0.1:1"],
      /^error: cannot connect to nats:\/\/127\.0\.0\.1:1: ECONNECT, .*\n$/m,
    ],
    [
      ["in", "--durable=d", "--connect=/nowhere/at.all"],
      /^error: cannot read \/nowhere\/at\.all: ENOENT\n$/m,
    ],
  ];
  for (const [args, error] of rows) {
    const { code, stdout, stderr } = await bridge(...args, "--stream=S", key).ended();
    assert.match(stderr, error);
    assert.deepEqual([code, stdout], [1, ""]);
  }
}, CLI);

testWith(CLI, "bridge: without --allow-net one line of error that names it", async () => {
  const args = ["run", "--allow-ffi", "--no-prompt", `${PROJECT}cli.ts`, "bridge", "in"];
  const { code, stderr } = await Peer.start(Deno.execPath(), [
    ...args,
    ...["--stream=S", "--durable=d", "--server=nats://nats.example.com", `--key=${freshKey()}`],
  ]).ended();
  assert.equal(
    stderr,
    "error: cannot connect to nats.example.com:4222: Deno runs without --allow-net; add it, or " +
      "--allow-net=nats.example.com:4222\n",
  );
  assert.equal(code, 1);
});
