/**
 * PostgreSQL with System V dynamic shared memory, which leaves segments that no process is attached to,
 * their creator gone, and attaches them again: nothing that our command advises breaks it.
 */

import assert from "node:assert/strict";
import { testWith } from "../../support/needs.ts";
import { beside, neighbour } from "./neighbour.ts";

testWith(
  neighbour("initdb", "postgres", "psql"),
  "rm --orphans, doctor, top, watch: a PostgreSQL with unattached segments goes on",
  async () => {
    const { stdout, stderr } = await beside(`
      nobody initdb -D data -A trust -U us -N > /dev/null
      nobody postgres -D data -c listen_addresses= -c "unix_socket_directories=$PWD" \\
        -c shared_memory_type=mmap -c dynamic_shared_memory_type=sysv -c fsync=off \\
        -c autovacuum=off > log 2>&1 &
      sql() { nobody psql -q -t -A -h "$PWD" -U us postgres -c "$1"; }
      until sql 'select 1' > /dev/null 2>&1; do sleep 0.1; done
      # Statistics of this many tables do not fit the memory it started with
      from=1
      until ipcs -m | grep -q ' 600 .* 0 *$'; do
        sql "do 'begin for i in $from .. $((from + 499)) loop
          execute format(''create table t%s(); select from t%s'', i, i); end loop; end'"
        from=$((from + 500))
      done
      cli ls --columns status | sort -u
      before=$(cli ls --columns id,perms)
      heed
      [ "$(cli ls --columns id,perms)" = "$before" ] && echo "all there"
      sql "select 'rows: ' || count(*) from t1"
      sql "select 'scans: ' || (sum(seq_scan) > 0) from pg_stat_user_tables"
      # Without them a session fails. Again, because the session of before may still be attached to them
      while sql "select sum(seq_scan) from pg_stat_user_tables" > sums 2> failed; do
        ipcrm -m $(ipcs -m | awk '$6 == 0 { print $2 }')
      done
      echo "fails without"
    `);
    assert.equal(
      stdout.replaceAll(/id \d+/g, "id N"),
      [
        ...["-", "STATUS", "idle"],
        ...["doctor 0", "worth knowing: container", "worth knowing: idle"],
        "left alone: 1 segment (id N) of nobody: its owner also has 3 attached segments; --force " +
        "takes them too",
        "no segment is chosen: nothing to remove",
        ...["all there", "rows: 0", "scans: true", "fails without", ""],
      ].join("\n"),
      stderr,
    );
  },
);
