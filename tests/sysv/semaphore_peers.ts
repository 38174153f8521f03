/**
 * Programs in other languages that use semaphore sets: core Perl, and C compiled by the test. For tests
 * of the folders that work with sets; register them with `testWith`.
 */

import { CProgram } from "../support/c_program.ts";
import { Peer } from "../support/peer.ts";

/** One operation as C has it: semaphore, summand, flags (010000 is SEM_UNDO, 04000 IPC_NOWAIT). */
export type RawOperation = readonly [semaphore: number, add: number, flags: number];

/** A program in another language that follows commands on a semaphore set. */
export class SemaphorePeer implements AsyncDisposable {
  /** The program; killing it is the point of many a test. */
  readonly peer: Peer;
  /** The set's id. */
  readonly id: number;
  readonly #removes: boolean;

  constructor(peer: Peer, id: number, removes: boolean) {
    this.peer = peer;
    this.id = id;
    this.#removes = removes;
  }

  /** Its process. */
  get pid(): number {
    return this.peer.pid;
  }

  /** Does one `semop`, and gives `done` or the errno when that returns. */
  async op(...operations: readonly RawOperation[]): Promise<string> {
    await this.begin(...operations);
    return await this.peer.line();
  }

  /** Begins one `semop`; what came of it is the program's next line. */
  async begin(...operations: readonly RawOperation[]): Promise<void> {
    await this.peer.write(`${operations.flat().join(" ")}\n`);
  }

  /** Ends the program, and removes the set if the program made it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
    if (this.#removes) {
      new Deno.Command("ipcrm", { args: ["-s", `${this.id}`], stderr: "null" }).outputSync();
    }
  }
}

/** The set that a program uses: an existing one, or one that it creates with these values. */
export type PeerSet = { readonly id: number } | {
  readonly key: number;
  readonly values: readonly number[];
};

/** Starts core Perl: `semget`, `semop` and `semctl` are among its built-in functions. */
export async function perlSemaphores(set: PeerSet): Promise<SemaphorePeer> {
  const opening = "id" in set ? `my $id = ${set.id};` : `
    my $id = semget(${set.key | 0}, ${set.values.length}, 01000 | 02000 | 0600);
    defined $id or die "semget: $!";
    semctl($id, 0, 17, pack("S*", ${set.values.join(", ")})) or die "SETALL: $!";`;
  const peer = Peer.start("perl", [
    "-e",
    `$| = 1; ${opening} print "$id\\n";
    while (<STDIN>) { print semop($id, pack("s*", split)) ? "done\\n" : ($! + 0) . "\\n" }`,
  ]);
  return new SemaphorePeer(peer, Number(await peer.line()), !("id" in set));
}

/** A C program that does the same; make it once a test file, as every {@linkcode CProgram}. */
export class CSemaphores {
  readonly #program = new CProgram(C_SOURCE);

  /** Starts it. */
  async start(set: PeerSet): Promise<SemaphorePeer> {
    const peer = "id" in set
      ? this.#program.start("id", set.id)
      : this.#program.start("key", set.key | 0, ...set.values);
    return new SemaphorePeer(peer, Number(await peer.line()), !("id" in set));
  }
}

const C_SOURCE = `
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  int id = atoi(argv[2]);
  if (strcmp(argv[1], "key") == 0) {
    int count = argc - 3;
    id = semget(atoi(argv[2]), count, IPC_CREAT | IPC_EXCL | 0600);
    for (int i = 0; i < count; i++)
      if (semctl(id, i, SETVAL, atoi(argv[3 + i])) != 0) return 1;
  }
  printf("%d\\n", id);
  char line[4096];
  while (fgets(line, sizeof line, stdin) != NULL) {
    struct sembuf ops[16];
    size_t n = 0;
    char *rest = line;
    for (char *end; n < 16; n++) {
      ops[n].sem_num = (unsigned short)strtol(rest, &end, 10);
      if (end == rest) break;
      ops[n].sem_op = (short)strtol(end, &rest, 10);
      ops[n].sem_flg = (short)strtol(rest, &rest, 10);
    }
    if (semop(id, ops, n) == 0) puts("done");
    else printf("%d\\n", errno);
  }
}
`;
