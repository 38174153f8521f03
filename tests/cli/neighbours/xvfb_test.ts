/**
 * An X server and a client that shares pictures with it: a segment open to all, marked for removal as
 * soon as both are attached. Our command finds nothing wrong with it, and breaks nothing.
 */

import assert from "node:assert/strict";
import { testWith } from "../../support/needs.ts";
import { beside, neighbour } from "./neighbour.ts";

/** Speaks the X protocol as far as MIT-SHM's ShmAttach, and then asks for an answer at each line. */
const CLIENT = `
  use IO::Socket::UNIX; use IPC::SysV qw(shmat); $| = 1;
  my $server = IO::Socket::UNIX->new(Peer => "\\0/tmp/.X11-unix/X$ARGV[0]") or die "connect: $!";
  sub get { read($server, my $bytes, $_[0]) == $_[0] or die "the server is gone"; $bytes }
  print $server pack("a1xS5", "l", 11, 0, 0, 0, 0); $server->flush;
  my ($ok, $length) = unpack("Cx5S", get(8)); my $setup = get(4 * $length); $ok == 1 or die $setup;
  my ($base) = unpack("x4L", $setup);
  print $server pack("CxSSx2a7x", 98, 4, 7, "MIT-SHM"); $server->flush;
  my ($major) = unpack("x9C", get(32));
  my $id = shmget(0, 100_000, 0777) // die "shmget: $!";
  defined shmat($id, undef, 0) or die "shmat: $!";
  print $server pack("CCSLLCx3", $major, 1, 4, $base | 1, $id, 0); $server->flush;
  sub answered { print $server pack("CxS", 43, 1); $server->flush; (unpack "C", get(32)) == 1 }
  answered() or die "the server did not attach";
  shmctl($id, 0, 0) or die "shmctl: $!";
  print "attached\\n";
  while (<STDIN>) { print answered() ? "answered\\n" : "failed\\n" }
`;

testWith(
  neighbour("Xvfb", "mkfifo"),
  "doctor, rm, top, watch: an X server's pictures in shared memory are nothing wrong, and stay",
  async () => {
    const { stdout, stderr } = await beside(`
      cat > client <<'END'
${CLIENT}
END
      mkfifo number; mkfifo typed
      # A /tmp of its own, for its keyboard's files
      mkdir -m 777 tmp
      unshare -m sh -c 'mount --bind tmp /tmp; exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"' \\
        sh Xvfb -displayfd 3 -ac -nolisten tcp -nolisten unix -listen local -screen 0 64x64x8 \\
        3> number > log 2>&1 &
      read -r display < number
      perl client "$display" < typed > said & client=$!
      exec 4> typed
      until grep -qs attached said; do kill -0 $client || { cat log >&2; exit 1; }; sleep 0.1; done
      heed
      echo >&4; until grep -qs '^[af]' said && [ $(wc -l < said) = 2 ]; do sleep 0.1; done
      cat said; ipcs -m | awk '$5 == 100000 { print "attaches", $6, $7 }'
      exec 4>&-; wait $client
    `);
    assert.equal(
      stdout,
      "doctor 0\nworth knowing: container\nworth knowing: world-writable\n" +
        "no segment is chosen: nothing to remove\nattached\nanswered\nattaches 2 dest\n",
      stderr,
    );
  },
);
