/**
 * Apache prefork with `Mutex sysvsem`: a semaphore set without a key, which children used last that have
 * ended since. Nothing that our command advises breaks it.
 */

import assert from "node:assert/strict";
import { testWith } from "../../support/needs.ts";
import { beside, neighbour } from "./neighbour.ts";

const MODULES = "/usr/lib/apache2/modules";

testWith(
  neighbour("apache2", "pgrep"),
  "rm, doctor, top, watch: an Apache whose semaphores its dead children used last goes on",
  async () => {
    const { stdout, stderr } = await beside(`
      port=$(free_port) other=$(free_port)
      cat > conf <<END
LoadModule mpm_prefork_module ${MODULES}/mod_mpm_prefork.so
ServerRoot $PWD
ServerName localhost
DocumentRoot $PWD
PidFile $PWD/pid
ErrorLog $PWD/log
Listen 127.0.0.1:$port
Listen 127.0.0.1:$other
Mutex sysvsem default
StartServers 1
ServerLimit 1
MaxRequestWorkers 1
MaxConnectionsPerChild 1
END
      nobody apache2 -f "$PWD/conf" -D FOREGROUND 2> /dev/null &
      request() {
        perl -MIO::Socket::INET -e '
          my $server = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or exit 1;
          print $server "GET / HTTP/1.0\\r\\n\\r\\n"; exit !(<$server> =~ /^HTTP/)' $1
      }
      until [ -s pid ] && pgrep -P $(cat pid) > /dev/null; do sleep 0.1; done
      # Its one child serves once and ends; the parent, stopped, starts no other
      apache=$(cat pid); kill -STOP $apache; request $port
      until grep -qs '^State:.Z' /proc/$(pgrep -P $apache)/status; do sleep 0.1; done
      heed
      cli rm --semaphores --mine --yes > /dev/null 2>&1
      cli rm --semaphores --older-than 0 --yes < /dev/null 2>&1 | grep -c 'error: .*no terminal to ask on'
      kill -CONT $apache
      for i in 1 2 3 4; do request $port && request $other && echo served; done
      kill $apache; wait
    `);
    const [first, ...rest] = stdout.split("worth knowing: container\n");
    assert.equal(first, "doctor 0\n", stderr);
    assert.match(
      rest.join(),
      /^worth knowing: left-semaphores\nno segment is chosen: nothing to remove\n[1-9]\d*\n(served\n){4}$/,
      stderr,
    );
  },
);
