/** A C program that waits for a word by futex and answers by a wake. */

import { CProgram } from "../support/c_program.ts";

/** Its arguments: the id of the segment, and the last number. The word is the segment's first. */
export const pingPong = new CProgram(`
#define _GNU_SOURCE
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Answers every odd number with the next even one, until that is the last. */
int main(int argc, char **argv) {
  if (argc != 3) return 2;
  _Atomic int32_t *word = shmat(atoi(argv[1]), NULL, 0);
  if (word == (void *)-1) return 1;
  int32_t last = atoi(argv[2]);
  for (int32_t seen = atomic_load(word); seen < last; seen = atomic_load(word)) {
    if (seen % 2 == 0) {
      syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
    } else {
      atomic_store(word, seen + 1);
      syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
  }
  printf("%d\\n", (int)last);
}
`);
