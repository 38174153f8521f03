/**
 * gpsd, which shows its data to every user in a segment of mode 0666: doctor says so, gives no command
 * that would shut its clients out, and a client of another user attaches as before.
 */

import assert from "node:assert/strict";
import { testWith } from "../../support/needs.ts";
import { beside, neighbour } from "./neighbour.ts";

testWith(
  neighbour("gpsd"),
  "doctor, rm, top, watch: gpsd's segment stays open to a client of another user",
  async () => {
    const { stdout, stderr } = await beside(`
      nobody gpsd -N -S $(free_port) -F "$PWD/control" > log 2>&1 & gpsd=$!
      # As libgps does: by the key, read-only
      client() {
        setpriv --reuid=1 --regid=1 --clear-groups perl -e 'use IPC::SysV qw(shmat SHM_RDONLY);
          my $id = shmget(0x47505344, 0, 0) // exit 1;
          defined shmat($id, undef, SHM_RDONLY) or exit 1'
      }
      until client; do kill -0 $gpsd || { cat log >&2; exit 1; }; sleep 0.1; done
      heed
      client && echo "attached"
      cli ls --columns perms,nattch,status | sort -u
    `);
    assert.equal(
      stdout,
      "doctor 0\nworth knowing: container\nworth knowing: world-writable\n" +
        "no segment is chosen: nothing to remove\nattached\n0666    1 -\nPERMS ATT STATUS\n",
      stderr,
    );
  },
);
