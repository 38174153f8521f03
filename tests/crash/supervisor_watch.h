/*
 * What a crash harness does while its peers work: it reaps them, watches those that can go on, and stops and
 * kills them when their plans say so. See supervisor.h.
 */
#ifndef SYSV_SHM_TESTS_SUPERVISOR_WATCH_H
#define SYSV_SHM_TESTS_SUPERVISOR_WATCH_H

#include "supervisor.h"

/* ---- deaths ---------------------------------------------------------------------------------- */

/* The kernel undid what the dead one held: no peer needs to wait for a lane, a role or the entry lock. */
static void check_undone(uint32_t number, pid_t pid) {
  if (!run.attached) return;
  const int set = membership()->set;
  /* all but how many peers there are, and DISPOSABLE */
  for (int semaphore = 0; semaphore < membership()->count - 2; semaphore++) {
    const pid_t before = semctl(set, semaphore, GETPID);
    const int value = shmi_value(set, semaphore);
    const pid_t after = semctl(set, semaphore, GETPID);
    if (value != 0 && before == pid && after == pid) {
      fail("%s is dead and holds semaphore %d still", name_of(number), semaphore);
    }
  }
}

/* It was reaped: what it leaves is judged, and the peers that wait from now on are noted. */
static void bury(uint32_t number, bool killed) {
  struct Child *const child = &run.children[number];
  const struct Slot *const slot = &run.board->slots[number];
  const int64_t now = shm_now();
  check_undone(number, child->pid);
  if (killed && noted(&slot->hand) != 0) {
    note(&run.board->allowance, noted(&run.board->allowance) + 1);
    run.in_hand++;
  }
  child->pid = 0;
  child->stopped = false;
  child->restart_at = now + child->plan.restart;
  for (uint32_t i = 0; i < SLOTS; i++) {
    struct Child *const other = &run.children[i];
    if (other->pid != 0 && other->eligible != 0 && other->death == 0) other->death = now;
  }
}

/* It ended by itself: when it had done enough, or when the object was removed under it. */
static void ended(uint32_t number, int status) {
  const enum Language language = run.children[number].plan.language;
  if (run.removed != 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_REMOVED) {
    run.eidrm[language]++;
    run.ended_by_removal++;
  } else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    run.graceful[language]++;
  } else {
    fail("%s ended with %x: %s", name_of(number), status, run.board->slots[number].text);
  }
  bury(number, false);
}

static void kill_child(uint32_t number) {
  struct Child *const child = &run.children[number];
  const uint32_t state = noted(&run.board->slots[number].state);
  const int64_t begin = shm_now();
  int status;
  kill(child->pid, SIGKILL);
  while (waitpid(child->pid, &status, 0) == -1 && errno == EINTR) continue;
  const int64_t taken = shm_now() - begin;
  if (taken > run.longest_reaping) run.longest_reaping = taken;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
    run.kills[child->plan.language][receives(number)][child->stopped]++;
    run.kills_in[state]++;
    bury(number, true);
    return;
  }
  /* it ended just before that */
  ended(number, status);
}

/* The peers that ended by themselves. */
static void reap(void) {
  for (;;) {
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    uint32_t number = 0;
    if (pid == run.helper) fail("the helper ended with %x", status);
    while (number < SLOTS && run.children[number].pid != pid) number++;
    if (number < SLOTS) ended(number, status);
  }
}

/* ---- watching -------------------------------------------------------------------------------- */

/* Whether a peer is stopped that may hold the entry lock. */
static bool door_may_be_held(void) {
  for (uint32_t i = 0; i < SLOTS; i++) {
    const uint32_t state = noted(&run.board->slots[i].state);
    const bool outside = state == STARTING || state == WORKING || state == WAITING;
    if (run.children[i].pid != 0 && run.children[i].stopped && !outside) return true;
  }
  return false;
}

/* Whether a peer can go on, so that it is stuck if it does not. */
static bool can_go_on(uint32_t number) {
  const struct Child *const child = &run.children[number];
  if (child->stopped) return false;
  switch (noted(&run.board->slots[number].state)) {
    case ARRIVING:
    case LEAVING:
      /* one that waits for the lock no longer than asked for goes on in any case */
      return run.board->patience != 0 || !door_may_be_held();
    case WAITING:
      if (run.removed != 0) return true;
      break;
    default:
      return false;
  }
  return can_end_waiting(number);
}

static void watch(uint32_t number) {
  struct Child *const child = &run.children[number];
  const uint32_t progress = noted(&run.board->slots[number].progress);
  const bool eligible = can_go_on(number);
  const int64_t gap = run.now - run.last_pass;
  const int64_t stalled = child->eligible != 0 ? run.now - child->eligible : 0;
  if (child->eligible != 0 && gap > child->late) child->late = gap;
  if (progress != child->progress) {
    if (stalled > run.longest_stall) run.longest_stall = stalled;
    if (child->death != 0) add_sample(&after_death, run.now - child->death);
  }
  if (progress != child->progress || child->stopped) child->moved = run.now;
  if (progress != child->progress || !eligible) child->eligible = child->death = child->late = 0;
  if (eligible && child->eligible == 0) child->eligible = run.now;
  child->progress = progress;
  if (child->eligible != 0 && stalled > (int64_t)options.stall_ms * MS + child->late) {
    fail("%s is stuck for %.0f ms, of which at most %.0f were our own delay%s", name_of(number),
         (double)stalled / 1e6, (double)child->late / 1e6,
         child->death != 0 ? ", after another one's death" : "");
  }
  if (run.now - child->moved > NET_NS) {
    const uint32_t state = noted(&run.board->slots[number].state);
    const bool idle = receives(number) && state == WAITING && !eligible;
    if (!idle) fail("%s does nothing any more", name_of(number));
  }
}

/* ---- killing --------------------------------------------------------------------------------- */

static void stop_child(struct Child *child) {
  kill(child->pid, SIGSTOP);
  child->stopped = true;
  child->phase = STOPPED;
  child->due = run.now + child->plan.stop;
  run.stops++;
}

/* Whether the child has the entry lock. */
static bool holds_lock(const struct Child *child) {
  struct semid_ds about;
  const union ShmiSemun argument = {.buf = &about};
  const int set = semget(options.key, 0, 0);
  if (set == -1 || semctl(set, 0, IPC_STAT, argument) == -1) return false;
  /* the last three are LOCK, USERS and DISPOSABLE */
  return shmi_holder(set, (int)about.sem_nsems - 3, 1) == child->pid;
}

/* Stops it while it has the entry lock, if it has it still when it has come to a stop. */
static void stop_at_lock(struct Child *child) {
  siginfo_t how;
  stop_child(child);
  waitid(P_PID, (id_t)child->pid, &how, WSTOPPED | WEXITED | WNOWAIT);
  if (holds_lock(child)) run.lock_holders[child->plan.language]++;
}

static void continue_child(struct Child *child) {
  kill(child->pid, SIGCONT);
  child->stopped = false;
  child->phase = CONTINUED;
  child->due = run.now + child->plan.after;
}

/* Does what is due for one child. */
static void act(uint32_t number) {
  struct Child *const child = &run.children[number];
  struct Plan *const plan = &child->plan;
  if (plan->fate == RUN) return;
  if (plan->at_lock && child->phase == BEFORE) {
    const uint32_t state = noted(&run.board->slots[number].state);
    if (state == plan->trigger && holds_lock(child)) stop_at_lock(child);
    /* it came through: as any other */
    else if (state > plan->trigger) plan->at_lock = false;
    return;
  }
  if (child->phase == BEFORE) {
    const int64_t patience = plan->language == TYPESCRIPT ? 2000 * MS : run.mixed ? 200 * MS : 20 * MS;
    const bool reached = noted(&run.board->slots[number].state) >= plan->trigger;
    if (!reached && run.now - child->started < patience) return;
    child->phase = ARMED;
    child->due = run.now + plan->delay;
  }
  if (run.now < child->due) return;
  if (child->phase == ARMED && plan->fate != KILL) {
    stop_child(child);
  } else if (child->phase == STOPPED && plan->fate == STOP_CONTINUE) {
    continue_child(child);
  } else {
    kill_child(number);
  }
}

/* Sleeps until something is due, at most for a moment. */
static void sleep_until_due(void) {
  const int64_t usual = run.fault == LOCK_HOLDERS ? 20 : run.mixed ? 1000 : 300;
  int64_t until = shm_now() + usual * US;
  for (uint32_t i = 0; i < SLOTS; i++) {
    const struct Child *const child = &run.children[i];
    const int64_t due = child->pid == 0         ? child->restart_at
                        : child->phase != BEFORE ? child->due
                                                 : INT64_MAX;
    if (due < until && due > run.now) until = due;
  }
  const struct timespec time = shmi_timespec(until);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
  add_sample(&lateness, shm_now() - until);
}

/* Looks at all peers once. */
static void pass(void) {
  run.last_pass = run.now;
  run.now = shm_now();
  if (interrupted) {
    clear_away();
    _exit(130);
  }
  reap();
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (run.children[i].pid != 0) watch(i);
  }
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (run.children[i].pid != 0 && run.board->finish == 0 && run.removed == 0) act(i);
  }
}

#endif
