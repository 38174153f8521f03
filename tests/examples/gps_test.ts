/** The example gps beside gpsd, which a receiver feeds over TCP, in an IPC namespace of their own. */

import assert from "node:assert/strict";
import { beside, neighbour } from "../cli/neighbours/neighbour.ts";
import { testWith } from "../support/needs.ts";
import { PROJECT } from "../support/peer.ts";

const HEADER = "/usr/include/gps.h";
const NEEDS = { ...neighbour("gpsd"), installed: [HEADER] };

/**
 * A receiver that moves all the time, such that latitude and longitude have the same minutes: a position
 * of two writes would not.
 */
const RECEIVER = `
  use IO::Socket::INET; $| = 1; $SIG{PIPE} = "IGNORE";
  my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die "listen: $!";
  print $server->sockport, "\\n";
  my $gpsd = $server->accept; $gpsd->autoflush(1);
  for (my $n = 0; ; $n++) {
    my $time = sprintf "12%02d%02d.00", $n / 60 % 60, $n % 60;
    my $minutes = sprintf "%02d.%04d", $n % 60, $n % 10000;
    for my $sentence (
      "GPGGA,$time,48$minutes,N,011$minutes,E,1,08,0.9,545.4,M,46.9,M,,",
      "GPRMC,$time,A,48$minutes,N,011$minutes,E,022.4,084.4,230326,003.1,W",
      "GPGSA,A,3,04,05,,09,12,,,24,,,,,2.5,1.3,2.1",
    ) {
      my $sum = 0; $sum ^= ord for split //, $sentence;
      printf $gpsd "\\$%s*%02X\\r\\n", $sentence, $sum or exit;
    }
    select undef, undef, undef, 0.01;
  }
`;

testWith(NEEDS, "gps: positions of gpsd, each of one write", async () => {
  const { stdout, stderr } = await beside(`
    cat > receiver <<'END'
${RECEIVER}
END
    perl receiver > port &
    until [ -s port ]; do sleep 0.1; done
    nobody gpsd -N -n -S $(free_port) -F "$PWD/control" tcp://127.0.0.1:$(cat port) > log 2>&1 & gpsd=$!
    until perl -e 'shmget(0x47505344, 0, 0) // exit 1'; do
      kill -0 $gpsd || { cat log >&2; exit 1; }; sleep 0.1
    done
    "$deno" run --allow-ffi --allow-read=${HEADER} ${PROJECT}examples/gps.ts 25
  `);
  const positions = stdout.trimEnd().split("\n").map((line) =>
    /^(2026-03-23T12:\d\d:\d\d) latitude (48\.\d{6}) longitude (11\.\d{6})$/.exec(line)
  );
  assert.equal(positions.length, 25, stdout + stderr);
  for (const position of positions) {
    assert(position !== null, stdout);
    const [, , latitude, longitude] = position;
    assert.equal((Number(latitude) - Number(longitude)).toFixed(6), "37.000000");
  }
  const times = positions.map((position) => position![1]!);
  assert.deepEqual(times, [...new Set(times)].sort());
});

testWith(NEEDS, "gps: without gpsd the error says that nothing has the key", async () => {
  const { code, stdout, stderr } = await beside(
    `"$deno" run --allow-ffi --allow-read=${HEADER} ${PROJECT}examples/gps.ts`,
  );
  assert.deepEqual([code, stdout], [1, ""]);
  assert.match(stderr, /ShmError: cannot .*: shmget for key 1196446532 \(0x47505344\): ENOENT/);
});
