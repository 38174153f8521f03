/*
 * Another program of the machine: creates and removes System V objects all the time, as a desktop or a
 * database does. Tests must not mind. Prints "churning" once it has begun; ends with its input, or when
 * it is killed by SIGTERM, and removes what it holds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HELD = 48 };

/* What it holds at the moment: -1 is none. */
static struct { int id; int is_set; void *attached; } held[HELD];

static volatile sig_atomic_t over;

static void end(int signal) {
  (void)signal;
  over = 1;
}

static void release(int i) {
  if (held[i].id < 0) return;
  if (held[i].attached) shmdt(held[i].attached);
  if (held[i].is_set) semctl(held[i].id, 0, IPC_RMID);
  else shmctl(held[i].id, IPC_RMID, NULL);
  held[i].id = -1;
}

/* A key as ftok(3) or ipcmk(1) may give one, outside of the tests' own (0x5e...). */
static key_t some_key(void) {
  if (random() % 2) return IPC_PRIVATE;
  return (key_t)((random() & 0xffffff) | 0x41000000);
}

/* A segment whose creator is gone at once. */
static int orphan(size_t size) {
  int ends[2], id = -1;
  if (pipe(ends)) return -1;
  pid_t child = fork();
  if (child == 0) {
    id = shmget(some_key(), size, IPC_CREAT | IPC_EXCL | 0600);
    _exit(write(ends[1], &id, sizeof id) != sizeof id);
  }
  if (child > 0) {
    if (read(ends[0], &id, sizeof id) != sizeof id) id = -1;
    waitpid(child, NULL, 0);
  }
  close(ends[0]), close(ends[1]);
  return id;
}

static void create(int i) {
  static const size_t sizes[] = {1, 100, 2049, 4096, 65536, 1 << 20};
  size_t size = sizes[random() % (sizeof sizes / sizeof *sizes)];
  int mode = random() % 4 ? 0600 : 0666;
  held[i].attached = NULL;
  held[i].is_set = random() % 3 == 0;
  if (held[i].is_set) {
    held[i].id = semget(some_key(), 1 + (int)(random() % 8), IPC_CREAT | IPC_EXCL | mode);
    if (held[i].id >= 0 && random() % 2) {
      struct sembuf up = {0, 1, SEM_UNDO};
      semop(held[i].id, &up, 1);
    }
  } else if (random() % 16 == 0) {
    held[i].id = orphan(size);
  } else {
    held[i].id = shmget(some_key(), size, IPC_CREAT | IPC_EXCL | mode);
    if (held[i].id >= 0 && random() % 2) {
      held[i].attached = shmat(held[i].id, NULL, 0);
      if (held[i].attached == (void *)-1) held[i].attached = NULL;
    }
  }
}

int main(void) {
  struct sigaction action = {.sa_handler = end};
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  srandom((unsigned)getpid());
  for (int i = 0; i < HELD; i++) held[i].id = -1;
  puts("churning");
  fflush(stdout);
  while (!over) {
    int i = (int)(random() % HELD);
    if (held[i].id < 0) create(i);
    else release(i);
    /* 1 ms of rest: the processors are the tests' */
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (poll(&input, 1, 1) > 0) break;
  }
  for (int i = 0; i < HELD; i++) release(i);
  return 0;
}
