/**
 * A program that creates, attaches and removes objects all the time: our command takes what vanishes
 * under it as gone, and none of the program's objects away from it.
 */

import assert from "node:assert/strict";
import { testWith } from "../../support/needs.ts";
import { beside, neighbour } from "./neighbour.ts";

/** Ends with its input, and says how often it went round and how often something was missing. */
const CHURN = `
  use IPC::SysV qw(shmat shmdt IPC_RMID); use IO::Select; $| = 1;
  my $input = IO::Select->new(*STDIN); my ($rounds, $missing) = (0, 0);
  until ($input->can_read(0)) {
    my @segments = map { shmget(0, 4096, 0600) // die $! } 1 .. 8;
    my @sets = map { semget(0, 2, 0600) // die $! } 1 .. 4;
    for (@segments) { my $at = shmat($_, undef, 0); defined $at ? shmdt($at) : $missing++ }
    for (@sets) { semop($_, pack "s3", 0, 1, 0) or $missing++ }
    for (@segments) { shmctl($_, IPC_RMID, 0) or $missing++ }
    for (@sets) { semctl($_, 0, IPC_RMID, 0) or $missing++ }
    print "going\\n" unless $rounds++;
  }
  print $rounds > 1 ? "went round, " : "did not go round, ", "$missing missing\\n";
`;

testWith(
  neighbour("mkfifo"),
  "ls, doctor, rm --orphans: beside a program that creates and removes objects all the time",
  async () => {
    const { stdout, stderr } = await beside(`
      cat > churn <<'END'
${CHURN}
END
      mkfifo end
      nobody perl churn < end > said & churn=$!
      exec 4> end
      until grep -qs going said; do sleep 0.1; done
      for i in 1 2 3; do
        cli ls --json > /dev/null && cli ls -s --json > /dev/null && cli_all ls --json > /dev/null &&
          cli doctor > /dev/null 2>&1 && cli channel ls > /dev/null &&
          cli rm --orphans --yes > /dev/null 2>&1 && cli rm --mine --yes > /dev/null 2>&1 && echo fine
      done
      exec 4>&-; wait $churn; tail -1 said
    `);
    assert.equal(stdout, "fine\nfine\nfine\nwent round, 0 missing\n", stderr);
  },
);
