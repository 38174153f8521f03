/**
 * Servers that are not ours, run as the user nobody in an IPC namespace of their own, beside our command
 * doing all it advises. For the tests of this folder; a program that is not on this machine is a reason
 * to skip them.
 */

import type { Needs } from "../../support/needs.ts";
import { IN_NAMESPACE } from "../../support/own_namespace.ts";
import { type Ended, Peer, PROJECT, TestFolder } from "../../support/peer.ts";
import { toEnd } from "../command_line.ts";

/** What such a test needs, and `tools`. */
export function neighbour(...tools: readonly string[]): Needs {
  const all = [...IN_NAMESPACE.tools!, "setpriv", "perl", "ipcs", "ipcrm", "script", ...tools];
  return { ...IN_NAMESPACE, files: true, tools: all };
}

/**
 * `cli`, `cli_all`: our command. `nobody COMMAND`: runs it as that user. `free_port`: a port of the loopback.
 * `heed`: does as root all that our command advises or offers to do without a question, and says what. Then
 * it looks at all segments with top, on a terminal, and with watch, and says which of them failed.
 */
const FUNCTIONS = `
  deno=$0 main=$1
  cli() { "$deno" run --allow-ffi "$main" "$@"; }
  cli_all() { "$deno" run -A "$main" "$@"; }
  nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
  free_port() {
    perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1")->sockport'
  }
  heed() {
    cli_all doctor --json > diagnosis; echo "doctor $?"
    perl -MJSON::PP -0ne 'my $all = decode_json($_);
      for (@{$all->{findings}}) { print STDOUT "$_->{fix}\\n" }
      for (@{$all->{remarks}}) { print STDERR "worth knowing: $_->{check}\\n"; die if $_->{fix} }
    ' diagnosis > fixes 2> remarks || echo "doctor gave no good report"
    while read -r fix; do echo "fix: $fix"; eval "$fix" < /dev/null; done < fixes
    sort -u remarks
    cli rm --orphans --yes 2>&1; cli channel rm --orphans --yes > /dev/null 2>&1
    look_at_all
  }
  look_at_all() {
    top="'$deno' run -A '$main' top --interval 100ms"
    # Once it reads keys: Enter shows all about the first one, x its bytes
    : > screen
    { until grep -aq 'q.*quit' screen; do sleep 0.1; done; printf '\\rxqqq'; } |
      TERM=xterm script -qec "$top" /dev/null > screen ||
      { echo "top $?"; cat screen; }
    for id in $(ipcs -m | awk '$2 ~ /^[0-9]+$/ { print $2 }'); do
      cli watch "id:$id" --length 4K --interval 20ms --timeout 200ms > changes 2>&1
      [ $? -le 1 ] || { echo "watch $id"; cat changes; }
    done
  }
`;

/**
 * Runs `script` in a folder that nobody may write to, and gives what it printed. Its pid namespace ends
 * with it, and with that all it started.
 */
export async function beside(script: string): Promise<Ended> {
  using folder = new TestFolder();
  Deno.chmodSync(folder.path, 0o777);
  const program = `${FUNCTIONS}\ncd "${folder.path}"\n${script}`;
  const alone = ["-i", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c", program];
  return await toEnd(
    Peer.start("unshare", [...alone, Deno.execPath(), `${PROJECT}cli.ts`], { LC_ALL: "C" }),
  );
}
