/** `cli.ts bridge`: passes the messages of a channel or a topic to NATS JetStream or to a file, and back. */

import { inVerb, outVerb } from "../bridge/nats_verbs.ts";
import { recordVerb, replayVerb } from "../bridge/recording_verbs.ts";
import { verbCommand } from "../command.ts";

export const bridgeCommand = verbCommand({
  verbs: { out: outVerb, in: inVerb, record: recordVerb, replay: replayVerb },
  noun: "a bridge",
  completes: "files",
  help: (options) =>
    `Pass the messages of a channel or a topic to NATS JetStream or a file, and back.

Usage: cli.ts bridge out --stream NAME --subject SUBJECT [options]
       cli.ts bridge in --stream NAME --durable NAME [options]
       cli.ts bridge record [options] FILE
       cli.ts bridge replay [options] FILE

\`bridge out\` receives from the channel and publishes to a stream. A message is
acknowledged to the channel after the stream has stored it. \`bridge in\` sends
what the stream has through the channel, and acknowledges it to the stream after
that. So nothing is lost, whatever is killed. The stream recognises what is
published twice; a channel that \`bridge in\` sends to may get messages twice.
The messages of one lane stay in order.

With --topic, out publishes what is published to a topic while it runs. A
topic's publishers wait for no bridge: what is overwritten too early is counted
as missed, and what is on its way when the bridge ends may be lost.

While the server is away, the stream full, or the channel full, the bridge
waits. A message that is too large for the other side ends it with exit code 1,
and stays where it is.

The client of NATS is downloaded from npm at first use. The bridge needs
--allow-net beside --allow-ffi.

\`bridge record\` receives from the channel, or with --topic from a topic, and
writes an MCAP file, which viewers such as Foxglove open. It needs no server and
no package, but --allow-write=FILE. FILE must not exist. A message is
acknowledged after it was written, at most a second after it came: if record is
killed, what FILE does not have stays in the channel. With --struct viewers see
the fields. DECL and FILE of --struct-file are as for dump.

\`bridge replay\` sends what FILE has through a channel, or publishes it to a
topic, at the pace of the recording, or with --fast as fast as possible. While
the channel is full, it waits. It needs --allow-read=FILE. Each lane of the
recording gets a lane of its own, so --lanes must be enough. A channel of other
structs is refused. A FILE whose record was killed is replayed as far as it
goes, with a warning.

Options:
${options}

The file of --connect has a JSON object with options of the client, such as
user, pass, token and tls. In it, creds names a credentials file, and caFile,
certFile and keyFile in tls name PEM files. Other users can read the command
line of a process, so --server takes no password.

Exit codes: 0 ended by Ctrl-C, --count reached, or all is replayed; 1 failed; 2
wrong usage; 129, 131, 143 ended by SIGHUP, SIGQUIT, SIGTERM; 130 ended by
Ctrl-C before --count or before all was replayed.

Examples:
  deno run --allow-ffi --allow-net cli.ts bridge out --stream S --subject shm.s
  deno run --allow-ffi --allow-net cli.ts bridge in --stream S --durable here
  deno run --allow-ffi --allow-write=a.mcap cli.ts bridge record a.mcap
  deno run --allow-ffi --allow-read=a.mcap cli.ts bridge replay --fast a.mcap
`,
});
