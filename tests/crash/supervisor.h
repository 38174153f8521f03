/*
 * The supervisor of the crash harnesses: starts peers, C and TypeScript mixed, on one object, stops and
 * kills them at random instants, reaps them, and watches those that can go on. It runs in rounds, each with
 * an object of a random shape at the same key. At the end of each round no peer may be left, and the
 * last one out, the harness itself, must have removed segment and set.
 *
 *   HARNESS --seed N --kills-c N [--kills-ts N --deno PATH --peer PEER.ts]
 *           [--key K] [--stall-ms N] [--fault N] [--progress]
 *
 * C peers are forked without exec, TypeScript peers (in the rounds after the others) are Deno processes.
 *
 * Half of the rounds have one more fault; with --fault N all have that one:
 *   1  another process writes over payloads while they are received (channel only)
 *   2  peers of several users share the object (as root only)
 *   3  in the end the set, the segment or both are removed under the peers
 *   4  peers are stopped while they hold the entry lock, for longer than others wait for it
 *
 * The seed decides the rounds and, for each peer, what it does, and when and how it is killed: by
 * round, place and number, so the order in which the machine runs them changes no decision.
 *
 * It watches each peer that waits for what is there, and each that joins or leaves while no holder of the
 * entry lock is stopped. A peer that makes no progress for longer than --stall-ms (plus the supervisor's own
 * delays) is stuck.
 *
 * stdout: with --progress a line now and then; at the end one line of JSON. Exit code 1 with
 * "violation: ..." on stderr at the first thing that is wrong.
 *
 * A harness includes its peers and supervisor_rounds.h, which has main, and defines the functions under
 * "hooks". This file has the state, the figures, and how a peer is chosen and started.
 */
#ifndef SYSV_SHM_TESTS_SUPERVISOR_H
#define SYSV_SHM_TESTS_SUPERVISOR_H

#include "peer.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MOST_SAMPLES (1 << 20)
/* No peer, whatever it does, stands still for longer: a Deno process may start as slowly as this. */
#define NET_NS INT64_C(30000000000)
#define US INT64_C(1000)
#define MS INT64_C(1000000)

enum Language { C, TYPESCRIPT };
/* What happens to a peer: it runs to its own end, or is killed, or stopped before that. */
enum Fate { RUN, KILL, STOP_KILL, STOP_CONTINUE };
enum Phase { BEFORE, ARMED, STOPPED, CONTINUED };
/* What happens in a round besides. */
enum Fault { NOTHING, REWRITING, USERS, REMOVING, LOCK_HOLDERS, FAULTS };
enum Part { SET, SEGMENT, BOTH, PARTS };

struct Plan {
  enum Language language;
  enum Fate fate;
  enum State trigger; /* the delay begins when it has come so far */
  bool at_lock;       /* stopped as soon as it is seen with the entry lock */
  int64_t delay, stop, after, restart;
};

struct Child {
  pid_t pid; /* 0: none */
  uint32_t generation;
  struct Plan plan;
  enum Phase phase;
  bool stopped;
  int64_t due, started, restart_at;
  uint32_t progress;
  int64_t moved;    /* when it last went on */
  int64_t eligible; /* since when it could go on and does not; 0: it cannot */
  int64_t death;    /* of another, since when it could go on and did not */
  int64_t late;     /* our own delays since it is eligible */
};

/* Durations, in microseconds. */
struct Samples {
  uint32_t count, most;
  uint32_t values[MOST_SAMPLES];
};

static struct {
  uint64_t seed, kills_c, kills_ts, stall_ms;
  key_t key;
  enum Fault fault;
  const char *deno, *peer;
  bool progress;
} options = {.stall_ms = 200, .key = 0x5eedc4a5};

static struct {
  struct Board *board;
  char board_id[16];
  uint32_t round;
  bool mixed; /* TypeScript peers too */
  bool attached; /* we hold the object open during the round */
  bool revolving; /* peers come only to go, so that the object is made and removed again and again */
  enum Fault fault;
  pid_t helper;    /* a process of the harness beside the peers; 0: none */
  int64_t removed; /* when the object was removed under its peers; 0: it was not */
  uint32_t ended_by_removal;
  uint32_t producers;
  struct Child children[SLOTS];
  int64_t now, last_pass;
  /* what the summary says */
  uint64_t kills[2][2][2]; /* by language, whether it reads, stopped */
  uint64_t kills_in[LEFT + 1]; /* by how far it was */
  uint64_t stops, graceful[2], messages, in_hand;
  uint64_t faults[FAULTS], rewritten, other_users, refused, not_ours, removals[PARTS], eidrm[2];
  uint64_t lock_holders[2], timeouts;
  int64_t longest_stall, longest_reaping;
} run;

static struct Samples after_death, lateness;
static volatile sig_atomic_t interrupted = 0;

static void on_signal(int number) {
  (void)number;
  interrupted = 1;
}

/* ---- hooks ----------------------------------------------------------------------------------- */

/* Whether the peer receives; the others send. Numbers below run.producers send, and others do not run. */
static bool receives(uint32_t number);
/* Chooses the shape of a round, and how many send. */
static void choose_shape(struct Random *random);
/* What a peer does until it is killed. */
static void prepare(uint32_t number, struct Random *random, struct Slot *slot);
/* Whether a peer that waits can go on. */
static bool can_end_waiting(uint32_t number);
/* Judges what the peers of the round did; the object is open, or was removed. */
static void judge_round(bool removed);
/* The object is there, if this process holds it open, and the peers come next. */
static void round_began(void);
/* What else the summary says. */
static void print_more(void);

/* ---- the end --------------------------------------------------------------------------------- */

static void end_helper(void) {
  if (run.helper == 0) return;
  kill(run.helper, SIGKILL);
  waitpid(run.helper, NULL, 0);
  run.helper = 0;
}

static void remove_leftovers(void) {
  const int segment = shmget(options.key, 0, 0), set = semget(options.key, 0, 0);
  if (segment != -1) shmctl(segment, IPC_RMID, NULL);
  if (set != -1) semctl(set, 0, IPC_RMID);
}

static void clear_away(void) {
  end_helper();
  for (uint32_t i = 0; i < SLOTS; i++) {
    if (run.children[i].pid == 0) continue;
    kill(run.children[i].pid, SIGKILL);
    waitpid(run.children[i].pid, NULL, 0);
  }
  remove_leftovers();
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *what, ...) {
  va_list values;
  va_start(values, what);
  fprintf(stderr, "violation: ");
  vfprintf(stderr, what, values);
  static const char *const faults[] = {"", ", rewriting", ", users", ", removing", ", lock holders"};
  fprintf(stderr, " (seed %llu, round %u: lanes %u, capacity %u, most %u, %s, %s%s)\n",
          (unsigned long long)options.seed, run.round, run.board->lanes, run.board->capacity,
          run.board->most, run.mixed ? "C and TypeScript" : "C",
          run.attached ? "held open" : run.revolving ? "come and go" : "not held open",
          faults[run.fault]);
  va_end(values);
  fflush(stdout);
  clear_away();
  _exit(1);
}

static const char *name_of(uint32_t number) {
  static char name[64];
  const struct Child *const child = &run.children[number];
  static const char *const states[] = {"starting", "arriving", "working",
                                       "waiting",  "leaving",  "gone"};
  snprintf(name, sizeof name, "%s %s %u.%u (%s)", child->plan.language == C ? "C" : "TypeScript",
           receives(number) ? "consumer" : "producer", number, child->generation,
           states[noted(&run.board->slots[number].state)]);
  return name;
}

/* ---- figures --------------------------------------------------------------------------------- */

static void add_sample(struct Samples *samples, int64_t nanoseconds) {
  const uint32_t value = nanoseconds > 0 ? (uint32_t)(nanoseconds / US) : 0;
  if (value > samples->most) samples->most = value;
  if (samples->count < MOST_SAMPLES) samples->values[samples->count++] = value;
}

static int by_value(const void *one, const void *two) {
  const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)two;
  return a < b ? -1 : a > b;
}

static double percentile_ms(struct Samples *samples, double part) {
  if (samples->count == 0) return 0;
  qsort(samples->values, samples->count, sizeof samples->values[0], by_value);
  return samples->values[(uint32_t)((samples->count - 1) * part)] / 1e3;
}

static uint64_t kills_of(enum Language language) {
  const uint64_t(*const kills)[2] = run.kills[language];
  return kills[0][0] + kills[0][1] + kills[1][0] + kills[1][1];
}

static void print_kills(const char *name, enum Language language) {
  const uint64_t(*const kills)[2] = run.kills[language];
  printf("\"%s\":{\"producers\":%llu,\"consumers\":%llu,\"stopped_producers\":%llu,"
         "\"stopped_consumers\":%llu},",
         name, (unsigned long long)kills[0][0], (unsigned long long)kills[1][0],
         (unsigned long long)kills[0][1], (unsigned long long)kills[1][1]);
}

static void print_summary(int64_t begin) {
  printf("{\"seed\":%llu,\"rounds\":%u,", (unsigned long long)options.seed, run.round);
  printf("\"kills_c\":%llu,\"kills_ts\":%llu,", (unsigned long long)kills_of(C),
         (unsigned long long)kills_of(TYPESCRIPT));
  print_kills("c", C);
  print_kills("ts", TYPESCRIPT);
  printf("\"while\":{\"starting\":%llu,\"arriving\":%llu,\"working\":%llu,\"waiting\":%llu,"
         "\"leaving\":%llu,\"gone\":%llu},",
         (unsigned long long)run.kills_in[STARTING], (unsigned long long)run.kills_in[ARRIVING],
         (unsigned long long)run.kills_in[WORKING], (unsigned long long)run.kills_in[WAITING],
         (unsigned long long)run.kills_in[LEAVING], (unsigned long long)run.kills_in[LEFT]);
  printf("\"stops\":%llu,\"ended_c\":%llu,\"ended_ts\":%llu,\"messages\":%llu,",
         (unsigned long long)run.stops, (unsigned long long)run.graceful[C],
         (unsigned long long)run.graceful[TYPESCRIPT], (unsigned long long)run.messages);
  printf("\"faults\":{\"rewriting\":%llu,\"rewritten\":%llu,\"users\":%llu,\"other_users\":%llu,"
         "\"refused\":%llu,\"not_ours\":%llu,",
         (unsigned long long)run.faults[REWRITING], (unsigned long long)run.rewritten,
         (unsigned long long)run.faults[USERS], (unsigned long long)run.other_users,
         (unsigned long long)run.refused, (unsigned long long)run.not_ours);
  printf("\"removed_sets\":%llu,\"removed_segments\":%llu,\"removed_both\":%llu,\"eidrm_c\":%llu,"
         "\"eidrm_ts\":%llu,",
         (unsigned long long)run.removals[SET], (unsigned long long)run.removals[SEGMENT],
         (unsigned long long)run.removals[BOTH], (unsigned long long)run.eidrm[C],
         (unsigned long long)run.eidrm[TYPESCRIPT]);
  printf("\"lock_holders_c\":%llu,\"lock_holders_ts\":%llu,\"timeouts\":%llu},",
         (unsigned long long)run.lock_holders[C], (unsigned long long)run.lock_holders[TYPESCRIPT],
         (unsigned long long)run.timeouts);
  print_more();
  printf("\"longest_stall_ms\":%.1f,\"waits_across_a_death\":%u,\"after_death_p50_ms\":%.3f,"
         "\"after_death_p99_ms\":%.1f,\"after_death_max_ms\":%.1f,",
         (double)run.longest_stall / 1e6, after_death.count, percentile_ms(&after_death, 0.5),
         percentile_ms(&after_death, 0.99), after_death.most / 1e3);
  printf("\"own_lateness_p99_ms\":%.1f,\"own_lateness_max_ms\":%.1f,\"longest_reaping_ms\":%.1f,",
         percentile_ms(&lateness, 0.99), lateness.most / 1e3, (double)run.longest_reaping / 1e6);
  printf("\"seconds\":%.1f}\n", (double)(shm_now() - begin) / 1e9);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static struct Random decide(uint32_t round, uint32_t number, uint32_t generation) {
  struct Random random = {options.seed};
  random.state = random_bits(&random) ^ round;
  random.state = random_bits(&random) ^ ((uint64_t)number << 32 | generation);
  random_bits(&random);
  return random;
}

static int64_t up_to(struct Random *random, uint32_t microseconds) {
  return below(random, microseconds) * US;
}

/* Where the delay begins, and how long it is. */
static void plan_delay(struct Plan *plan, struct Random *random) {
  static const enum State triggers[] = {STARTING, STARTING, ARRIVING, WORKING,
                                        WORKING,  WAITING,  LEAVING};
  plan->trigger = triggers[below(random, sizeof triggers / sizeof triggers[0])];
  if (run.revolving && plan->trigger >= WORKING) plan->trigger = LEAVING;
  const bool soon = below(random, 2) == 0;
  if (plan->language == TYPESCRIPT) {
    /* a Deno process takes its time to start */
    const bool starting = plan->trigger == STARTING;
    plan->delay = up_to(random, starting ? 250000 : soon ? 3000 : 100000);
    plan->stop = up_to(random, 100000);
    plan->after = up_to(random, 50000);
  } else if (run.mixed) {
    plan->delay = up_to(random, soon ? 2000 : 60000);
    plan->stop = up_to(random, 40000);
    plan->after = up_to(random, 10000);
  } else {
    plan->delay = up_to(random, soon ? 200 : 3000);
    plan->stop = up_to(random, 5000);
    plan->after = up_to(random, 1000);
  }
}

/* What becomes of one peer, and what it does until then. */
static struct Plan make_plan(uint32_t number, uint32_t generation, struct Slot *slot) {
  struct Random random = decide(run.round, number, generation);
  struct Plan plan = {0};
  plan.language = run.mixed && below(&random, 3) > 0 ? TYPESCRIPT : C;
  const uint32_t fate = below(&random, 20);
  plan.fate = fate < 3 ? RUN : fate < 14 ? KILL : fate < 17 ? STOP_KILL : STOP_CONTINUE;
  plan_delay(&plan, &random);
  plan.restart = below(&random, 4) == 0 ? up_to(&random, run.mixed ? 5000 : 800) : 0;
  slot->seed = (uint32_t)random_bits(&random);
  slot->pause = below(&random, 4) == 0 ? 0 : 1 + below(&random, 16);
  slot->linger = below(&random, 2) == 0 ? 0 : 1 + below(&random, 8);
  slot->spin = below(&random, 2);
  prepare(number, &random, slot);
  if (run.fault == USERS) {
    static const uint32_t users[] = {0, 65533, 65534};
    slot->user = users[below(&random, 3)];
  }
  if (run.fault == LOCK_HOLDERS && below(&random, 6) == 0) {
    plan.at_lock = true;
    plan.fate = below(&random, 2) == 0 ? STOP_KILL : STOP_CONTINUE;
    plan.trigger = below(&random, 2) == 0 ? ARRIVING : LEAVING;
    plan.stop = (1 + below(&random, 3)) * run.board->patience * MS;
    slot->linger = 1 + below(&random, 3);
  }
  const uint32_t lifespan = below(&random, run.revolving ? 4 : 300);
  const bool ends =
      run.revolving || plan.fate == RUN || plan.trigger == LEAVING || below(&random, 4) == 0;
  slot->lifespan = ends ? lifespan : UINT32_MAX;
  return plan;
}

/* ---- starting -------------------------------------------------------------------------------- */

__attribute__((noreturn)) static void become(uint32_t number, enum Language language) {
  char text[16];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == 1) _exit(1);
  const uid_t user = run.board->slots[number].user;
  /* a TypeScript peer reads its files first */
  if (language == C && user != 0) {
    if (setgroups(0, NULL) == -1 || setresgid(user, user, user) == -1 ||
        setresuid(user, user, user) == -1) {
      _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
  }
  /* our own attach, inherited, would be one too many for the last peer to leave */
  if (run.attached) shmdt(membership()->base);
  if (language == C) live(run.board, number);
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, 0);
  dup2(nothing, 1);
  snprintf(text, sizeof text, "%u", number);
  execl(options.deno, options.deno, "run", "--quiet", "--no-prompt", "--allow-ffi", options.peer,
        run.board_id, text, (char *)NULL);
  _exit(127);
}

static void start(uint32_t number) {
  struct Child *const child = &run.children[number];
  struct Slot *const slot = &run.board->slots[number];
  const uint32_t generation = child->generation + 1;
  memset(child, 0, sizeof *child);
  memset(slot, 0, sizeof *slot);
  child->generation = generation;
  child->plan = make_plan(number, generation, slot);
  if (run.board->finish != 0) child->plan.fate = RUN;
  const pid_t pid = fork();
  if (pid == 0) become(number, child->plan.language);
  if (pid == -1) fail("cannot fork: %s", strerror(errno));
  child->pid = pid;
  child->started = child->moved = shm_now();
  if (slot->user != 0) run.other_users++;
}

#endif
