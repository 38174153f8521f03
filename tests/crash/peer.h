/*
 * What the peers of a crash harness in C have in common: each notes on the board what it does, and works until
 * it has done enough, or is killed.
 */
#ifndef SYSV_SHM_TESTS_PEER_H
#define SYSV_SHM_TESTS_PEER_H

#include "board.h"

/* This process's place on the board. */
static struct {
  struct Board *board;
  struct Slot *slot;
  uint32_t number;
  struct Random random;
} self;

/* ---- hooks: by each harness ------------------------------------------------------------------ */

/* What this process has joined, while it has, and what went wrong with it. */
static const struct ShmMembership *membership(void);
static const struct ShmError *object_error(void);
/* Creates or opens the object of the board, or only opens it; leaves it; removes it. */
static enum ShmStatus join_object(bool may_create);
static enum ShmLeaveResult leave_object(void);
static enum ShmStatus remove_object(void);
/* Closes what this peer has open of the object. */
static void close_ends(void);
/* What a peer does, from joining on. */
static void work(void);

/* ---- what all peers do ----------------------------------------------------------------------- */

__attribute__((noreturn, format(printf, 1, 2))) static void complain(const char *what, ...) {
  va_list values;
  va_start(values, what);
  vsnprintf(self.slot->text, sizeof self.slot->text, what, values);
  va_end(values);
  _exit(EXIT_VIOLATION);
}

static void enter(enum State state) {
  note(&self.slot->state, state);
  note(&self.slot->progress, self.slot->progress + 1);
}

/* Closes what is open, and leaves. */
static void leave(void) {
  enter(LEAVING);
  close_ends();
  if (leave_object() == SHM_NOT_OURS) count_up(&self.board->not_ours);
}

static void must(enum ShmStatus status, const char *what, const struct ShmError *error) {
  char line[800];
  if (status == SHM_OK) return;
  if (status == SHM_REMOVED && noted(&self.board->removed) != 0) {
    leave();
    _exit(EXIT_REMOVED);
  }
  shm_describe(error, line, sizeof line);
  complain("%s: status %d, %s", what, (int)status, line);
}

static void done_something(void) { note(&self.slot->progress, self.slot->progress + 1); }

static void rest_sometimes(void) {
  const uint32_t pause = self.slot->pause;
  if (pause != 0 && below(&self.random, pause) == 0) rest(20 + below(&self.random, 300));
}

static struct ShmWait patience(void) {
  struct ShmWait wait = shm_within(SHM_FOREVER);
  wait.until_closed = self.slot->until_closed != 0;
  if (self.slot->spin == 0) wait.spin = 0;
  return wait;
}

/* How long joining may take; NULL: as usual. */
static const struct ShmWait *joining_wait(void) {
  static struct ShmWait wait;
  if (self.board->patience == 0) return NULL;
  wait = shm_within(self.board->patience * INT64_C(1000000));
  return &wait;
}

static void arrive(void) {
  enum ShmStatus status;
  enter(ARRIVING);
  while ((status = join_object(true)) == SHM_TIMEOUT && self.board->patience != 0) {
    count_up(&self.board->timeouts);
    done_something();
  }
  must(status, "arriving", object_error());
}

/* Tries to remove what is another user's. */
static void try_removal(void) {
  struct shmid_ds segment;
  if (self.slot->user == 0 || below(&self.random, 4) != 0) return;
  if (shmctl(membership()->segment, IPC_STAT, &segment) == -1) return;
  if (segment.shm_perm.cuid == self.slot->user) return;
  if (remove_object() != SHM_FAILED || object_error()->number != EPERM) {
    complain("removing another user's object is not refused");
  }
  count_up(&self.board->refused);
}

/* What a forked peer does; its exit code says how it went. */
__attribute__((noreturn)) static void live(struct Board *board, uint32_t number) {
  self.board = board;
  self.slot = &board->slots[number];
  self.number = number;
  self.random.state = self.slot->seed;
  lingering.random.state = ~(uint64_t)self.slot->seed;
  lingering.one_in = self.slot->linger;
  work();
  enter(LEFT);
  _exit(0);
}

#endif
