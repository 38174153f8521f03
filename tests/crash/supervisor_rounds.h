/*
 * The rounds of a crash harness: the peers work and are killed, calm down or lose the object, what they
 * did is judged, and the object is removed by leaving it. With main; see supervisor.h.
 */
#ifndef SYSV_SHM_TESTS_SUPERVISOR_ROUNDS_H
#define SYSV_SHM_TESTS_SUPERVISOR_ROUNDS_H

#include "supervisor_watch.h"

/* ---- a round --------------------------------------------------------------------------------- */

static void begin_round(void) {
  struct Random random = decide(++run.round, SLOTS, 0);
  struct Board *const board = run.board;
  run.mixed = options.kills_c <= kills_of(C);
  memset(board, 0, sizeof *board);
  board->key = (uint32_t)options.key;
  const uint32_t kind = below(&random, 6);
  /* half of the rounds have none */
  const uint32_t fault = below(&random, 2 * (FAULTS - 1));
  run.fault = options.fault != NOTHING ? options.fault : fault < FAULTS ? (enum Fault)fault : NOTHING;
  if (run.fault == USERS && geteuid() != 0) run.fault = NOTHING;
  run.removed = run.ended_by_removal = 0;
  board->shared = run.fault == USERS;
  board->patience = run.fault != LOCK_HOLDERS ? 0 : run.mixed ? 50 : 20;
  choose_shape(&random);
  run.faults[run.fault]++;
  run.attached = kind < 3 || run.fault == REWRITING;
  run.revolving = kind > 3 && run.fault != REWRITING;
  if (run.revolving && run.producers > 2) run.producers = 2;
  memset(run.children, 0, sizeof run.children);
  board->held = run.attached;
  if (run.attached && join_object(true) != SHM_OK) fail("cannot make the object");
  round_began();
}

static bool enough(uint64_t kills_before) {
  const uint64_t kills = kills_of(run.mixed ? TYPESCRIPT : C);
  const uint64_t wanted = run.mixed ? options.kills_ts : options.kills_c;
  const uint64_t most = run.fault == REMOVING ? (run.mixed ? 10 : 60) : run.mixed ? 40 : 300;
  return kills >= wanted || kills - kills_before >= most ||
         run.board->tags > MOST_TAGS - 2 * SLOTS;
}

static bool is_there(uint32_t number) { return run.children[number].pid != 0; }

/* All peers work, and are killed. */
static void rage(void) {
  const uint64_t before = kills_of(run.mixed ? TYPESCRIPT : C);
  while (!enough(before)) {
    pass();
    for (uint32_t i = 0; i < SLOTS; i++) {
      const bool wanted = i < run.producers || receives(i);
      if (wanted && !is_there(i) && run.now >= run.children[i].restart_at) start(i);
    }
    sleep_until_due();
  }
}

/* What the key leads to, as removed under the peers. */
static void remove_part(enum Part part) {
  const int segment = shmget(options.key, 0, 0), set = semget(options.key, 0, 0);
  if (segment == -1 || set == -1) return;
  if (part != SEGMENT) semctl(set, 0, IPC_RMID);
  if (part != SET) shmctl(segment, IPC_RMID, NULL);
  run.removals[part]++;
}

/* A newcomer is told of a segment without a set. */
static void check_newcomer(void) {
  if (shmget(options.key, 0, 0) == -1 || semget(options.key, 0, 0) != -1) return;
  if (join_object(true) != SHM_FOREIGN) fail("a segment without a set is taken for the object");
}

/* Whether the last peer to leave removes what is left: not if one was killed while it was about to. */
static bool is_disposable(void) {
  struct semid_ds about;
  const union ShmiSemun argument = {.buf = &about};
  const int set = semget(options.key, 0, 0);
  if (set == -1 || semctl(set, 0, IPC_STAT, argument) == -1) return false;
  return shmi_value(set, (int)about.sem_nsems - 1) == 1;
}

/* Removes the object under the peers that have joined, and waits until all have ended. */
static void end_round_by_removal(void) {
  struct Random random = decide(run.round, SLOTS, 1);
  const enum Part part = (enum Part)below(&random, PARTS);
  /* 1: those that receive, 2: those that send; the others have to wait then */
  const uint32_t absent = below(&random, 3);
  bool there = true;
  for (uint32_t i = 0; i < SLOTS; i++) {
    struct Child *const child = &run.children[i];
    if (child->pid != 0 && child->stopped) continue_child(child);
    const bool wanted = absent == 0 || receives(i) == (absent == 2);
    if (child->pid != 0 && (noted(&run.board->slots[i].state) < WORKING || !wanted)) kill_child(i);
  }
  const bool disposable = is_disposable();
  note(&run.board->removed, 1);
  run.removed = shm_now();
  remove_part(part);
  while (there) {
    pass();
    /* a peer that never has to wait does not notice */
    if (run.now - run.removed > 300 * MS) note(&run.board->finish, 1);
    there = false;
    for (uint32_t i = 0; i < SLOTS; i++) there = there || run.children[i].pid != 0;
    sleep_until_due();
  }
  if (run.attached) leave_object();
  if (part == SET) check_newcomer();
  const bool left = part != SET && (run.attached || run.ended_by_removal > 0);
  if (left && disposable && semget(options.key, 0, 0) != -1) fail("the last one out left the set behind");
  judge_round(true);
  remove_leftovers();
}

/* The senders that are left end, beside the receivers, which are killed in the end. */
static void calm_down(void) {
  bool producing = true;
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (is_there(i) && run.children[i].stopped) continue_child(&run.children[i]);
  }
  note(&run.board->finish, 1);
  while (producing) {
    pass();
    producing = false;
    for (uint32_t i = 0; i < run.producers; i++) producing = producing || is_there(i);
    for (uint32_t i = 0; i < SLOTS; i++) {
      if (producing && receives(i) && !is_there(i)) start(i);
    }
    sleep_until_due();
  }
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (is_there(i)) kill_child(i);
  }
}

/* Judges what was done, as the only one there, and removes the object by leaving it. */
static void end_round(void) {
  if (!run.attached && join_object(true) != SHM_OK) {
    fail("cannot open the object that all others left");
  }
  judge_round(false);
  end_helper();
  const int users = shmi_value(membership()->set, membership()->users);
  if (users != 1) fail("%d users are counted where there is one", users);
  enum ShmLeaveResult fate = leave_object();
  if (fate == SHM_KEPT && !run.attached) {
    /* one that was killed had DISPOSABLE at 0 and was about to remove the segment */
    if (join_object(false) != SHM_OK || remove_object() != SHM_OK) {
      fail("the object that was kept cannot be removed");
    }
    leave_object();
    fate = SHM_WAS_REMOVED;
  }
  if (fate != SHM_WAS_REMOVED) fail("the last one out could not remove the object");
  if (shmget(options.key, 0, 0) != -1) fail("a segment is left");
  if (semget(options.key, 0, 0) != -1) fail("a semaphore set is left");
}

static void print_progress(void) {
  static int64_t next = 0;
  if (!options.progress || shm_now() < next) return;
  next = shm_now() + 5000 * MS;
  printf("%llu C kills, %llu TypeScript kills, %llu messages, longest stall %.0f ms\n",
         (unsigned long long)kills_of(C), (unsigned long long)kills_of(TYPESCRIPT),
         (unsigned long long)run.messages, (double)run.longest_stall / 1e6);
  fflush(stdout);
}

/* ---- the program ----------------------------------------------------------------------------- */

__attribute__((noreturn)) static void usage(const char *what) {
  fprintf(stderr, "%s; see the head of supervisor.h\n", what);
  exit(2);
}

static void read_arguments(char **words) {
  for (; *words != NULL; words++) {
    const char *const name = *words;
    if (strcmp(name, "--progress") == 0) {
      options.progress = true;
      continue;
    }
    const char *const value = *++words;
    if (value == NULL) usage("a value is missing");
    const uint64_t number = strtoull(value, NULL, 0);
    if (strcmp(name, "--seed") == 0) options.seed = number;
    else if (strcmp(name, "--kills-c") == 0) options.kills_c = number;
    else if (strcmp(name, "--kills-ts") == 0) options.kills_ts = number;
    else if (strcmp(name, "--stall-ms") == 0) options.stall_ms = number;
    else if (strcmp(name, "--key") == 0) options.key = (key_t)number;
    else if (strcmp(name, "--fault") == 0 && number < FAULTS) options.fault = (enum Fault)number;
    else if (strcmp(name, "--deno") == 0) options.deno = value;
    else if (strcmp(name, "--peer") == 0) options.peer = value;
    else usage(name);
  }
  if (options.kills_ts > 0 && (options.deno == NULL || options.peer == NULL)) usage("--deno, --peer");
}

/* The board goes with the last process that has it: nothing of it is left, whichever peer is killed. */
static void make_board(void) {
  const int id = shmget(IPC_PRIVATE, sizeof(struct Board), IPC_CREAT | 0600);
  self.board = run.board = id == -1 ? (struct Board *)-1 : (struct Board *)shmat(id, NULL, 0);
  if (run.board == (struct Board *)-1) {
    perror("the board");
    exit(1);
  }
  shmctl(id, IPC_RMID, NULL);
  snprintf(run.board_id, sizeof run.board_id, "%d", id);
}

int main(int count, char **words) {
  (void)count;
  const int64_t begin = shm_now();
  read_arguments(words + 1);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  /* so that our own sleeps end when they should */
  prctl(PR_SET_TIMERSLACK, 1000);
  make_board();
  run.now = run.last_pass = shm_now();
  while (kills_of(C) < options.kills_c || kills_of(TYPESCRIPT) < options.kills_ts) {
    begin_round();
    rage();
    if (run.fault == REMOVING) {
      end_round_by_removal();
    } else {
      calm_down();
      end_round();
    }
    run.rewritten += run.board->rewritten;
    run.refused += run.board->refused;
    run.not_ours += run.board->not_ours;
    run.timeouts += run.board->timeouts;
    print_progress();
  }
  print_summary(begin);
  return 0;
}

#endif
