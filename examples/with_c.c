/* The C side of with_c.ts: creates the segment, moves a particle, removes the segment. particle.h is
 * what `with_c.ts --declare` prints; its assertions stop the compiler if the two disagree. */

#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "particle.h"

enum { KEY = 0x5eed1002, STEPS = 3 };

int main(void) {
  int id = shmget(KEY, sizeof(Particle), IPC_CREAT | 0600);
  if (id == -1) return perror("shmget"), 1;
  Particle *particle = shmat(id, NULL, 0);
  if (particle == (void *)-1) return perror("shmat"), 1;
  puts("ready");
  fflush(stdout);

  struct shmid_ds now;
  do { /* until somebody watches */
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (shmctl(id, IPC_STAT, &now) == -1) return perror("shmctl"), 1;
  } while (now.shm_nattch < 2);

  for (int step = 1; step <= STEPS; step++) {
    particle->position[0] = step * 0.5;
    particle->position[1] = step * step;
    /* Release: a process that sees the step sees the position that belongs to it */
    atomic_store_explicit((_Atomic int32_t *)&particle->step, step, memory_order_release);
    syscall(SYS_futex, &particle->step, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
    nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
  }

  shmctl(id, IPC_RMID, NULL);
  shmdt(particle);
  return 0;
}
