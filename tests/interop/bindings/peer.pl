# IPC::SharedMem and IPC::Semaphore for bindings_test.ts: does what its input says, and answers each
# line with one.
use strict;
use warnings;
use IPC::SysV qw(IPC_CREAT IPC_EXCL IPC_NOWAIT SEM_UNDO); use IPC::SharedMem; use IPC::Semaphore;
$| = 1;
my ($key) = @ARGV; my ($memory, $semaphore);
while (<STDIN>) {
  my ($word, $sensor, $celsius) = split; my $answer = "ok";
  if ($word eq "create") { $memory = IPC::SharedMem->new($key, 16, IPC_CREAT | IPC_EXCL | 0600) }
  if ($word eq "open") {
    $memory = IPC::SharedMem->new($key, 0, 0); $answer = $memory->stat->segsz;
  }
  if ($word eq "write") { $memory->write(pack("lx4d", $sensor, $celsius), 0, 16) or die $! }
  if ($word eq "read") { $answer = join " ", unpack "lx4d", $memory->read(0, 16) }
  if ($word eq "remove") { $memory->remove or die $! }
  if ($word eq "semaphore") {
    $semaphore = IPC::Semaphore->new($key, 1, IPC_CREAT | IPC_EXCL | 0600);
    $semaphore ? $semaphore->setval(0, 1) : ($semaphore = IPC::Semaphore->new($key, 1, 0));
  }
  if ($word eq "try") {
    $answer = $semaphore->op(0, -1, IPC_NOWAIT | SEM_UNDO) ? "acquired" : "not acquired";
  }
  if ($word eq "release") { $semaphore->op(0, 1, SEM_UNDO) or die $! }
  print "$answer\n";
}
