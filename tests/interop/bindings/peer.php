<?php
/* shmop and sysvsem for bindings_test.ts: does what its input says, and answers each line with one. */
$key = (int) $argv[1];
while (($line = fgets(STDIN)) !== false) {
  [$word, $sensor, $celsius] = explode(" ", trim($line) . "  ");
  $answer = "ok";
  switch ($word) {
    case "create": $memory = shmop_open($key, "n", 0600, 16); break;
    case "open": $memory = shmop_open($key, "w", 0, 0); $answer = shmop_size($memory); break;
    case "write": shmop_write($memory, pack("lx4d", (int) $sensor, (float) $celsius), 0); break;
    case "read":
      $answer = implode(" ", unpack("lsensor/x4/dcelsius", shmop_read($memory, 0, 16)));
      break;
    case "remove": shmop_delete($memory); break;
    case "semaphore": $semaphore = sem_get($key, 1, 0600); break;
    case "try": $answer = sem_acquire($semaphore, true) ? "acquired" : "not acquired"; break;
    case "release": sem_release($semaphore); break;
  }
  echo $answer, "\n";
}
