/*
 * The crash harness of the channel: starts producers and consumers, C and TypeScript mixed, on one
 * channel, kills and stops them at random instants, and checks every message by what they noted on a
 * board of their own (channel_board.h), which no kill can take back.
 *
 *   channel_harness --seed N --kills-c N [--kills-ts N --deno PATH --peer channel_peer.ts]
 *                   [--key K] [--stall-ms N] [--fault N] [--progress]
 *
 * It runs in rounds, each with a channel of a random shape at the same key. At the end of each round
 * all messages that were published must have come, no peer may be left, and the last one out, the
 * harness itself, must have removed segment and set. C peers are forked without exec, TypeScript peers
 * (in the rounds after the others) are Deno processes.
 *
 * Half of the rounds have one more fault; with --fault N all have that one:
 *   1  another process writes over payloads while they are received
 *   2  peers of several users share the channel (as root only)
 *   3  in the end the set, the segment or both are removed under the peers
 *   4  peers are stopped while they hold the entry lock, for longer than others wait for it
 *
 * The seed decides the rounds and, for each peer, what it does, and when and how it is killed: by
 * round, place and number, so the order in which the machine runs them changes no decision.
 *
 * The harness watches each peer that waits for what is there, or for what others are sure to give: a
 * consumer that sleeps beside published messages, a producer that waits for room that is there or beside a
 * consumer that does nothing, a peer that joins or leaves while no holder of the entry lock is stopped. A
 * peer that makes no progress for longer than --stall-ms (plus the harness's own delays) is stuck.
 *
 * stdout: with --progress a line now and then; at the end one line of JSON. Exit code 1 with
 * "violation: ..." on stderr at the first thing that is wrong.
 */
#include "channel_peer.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define MOST_SAMPLES (1 << 20)
/* Nobody, whatever it does, stands still for longer: a Deno process may start as slowly as this. */
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
  bool attached; /* we hold the channel open during the round */
  bool revolving; /* peers come only to go, so that the channel is made and removed again and again */
  enum Fault fault;
  pid_t rewriter;  /* 0: none */
  int64_t removed; /* when the channel was removed under its peers; 0: it was not */
  uint32_t ended_by_removal;
  struct ShmChannel channel;
  uint32_t producers;
  struct Child children[SLOTS];
  int64_t now, last_pass;
  /* what the summary says */
  uint64_t kills[2][2][2]; /* by language, consumer, stopped */
  uint64_t kills_in[LEFT + 1]; /* by how far it was */
  uint64_t stops, graceful[2], messages, repeats, losses, in_hand;
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

/* ---- the end --------------------------------------------------------------------------------- */

static void end_rewriter(void) {
  if (run.rewriter == 0) return;
  kill(run.rewriter, SIGKILL);
  waitpid(run.rewriter, NULL, 0);
  run.rewriter = 0;
}

static void remove_leftovers(void) {
  const int segment = shmget(options.key, 0, 0), set = semget(options.key, 0, 0);
  if (segment != -1) shmctl(segment, IPC_RMID, NULL);
  if (set != -1) semctl(set, 0, IPC_RMID);
}

static void clear_away(void) {
  end_rewriter();
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
  fprintf(stderr, " (seed %llu, round %u: lanes %u, capacity %u, %s, %s%s)\n",
          (unsigned long long)options.seed, run.round, run.board->lanes, run.board->capacity,
          run.mixed ? "C and TypeScript" : "C",
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
           number == CONSUMER_SLOT ? "consumer" : "producer", number, child->generation,
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
  printf("\"repeats\":%llu,\"lost_in_hand\":%llu,\"in_hand\":%llu,", (unsigned long long)run.repeats,
         (unsigned long long)run.losses, (unsigned long long)run.in_hand);
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
  slot->mode = below(&random, MODES);
  slot->pause = below(&random, 4) == 0 ? 0 : 1 + below(&random, 16);
  slot->linger = below(&random, 2) == 0 ? 0 : 1 + below(&random, 8);
  slot->until_closed = below(&random, 2);
  slot->spin = below(&random, 2);
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
  if (run.attached) shmdt(run.channel.member.base);
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
  if (number != CONSUMER_SLOT) {
    slot->tag = run.board->tags;
    note(&run.board->tags, slot->tag + 1);
  }
  const pid_t pid = fork();
  if (pid == 0) become(number, child->plan.language);
  if (pid == -1) fail("cannot fork: %s", strerror(errno));
  child->pid = pid;
  child->started = child->moved = shm_now();
  if (slot->user != 0) run.other_users++;
}

/* Writes over some payloads, and never over what stands around them: all records have one size. */
__attribute__((noreturn)) static void rewrite(void) {
  const struct Board *const board = run.board;
  const uint32_t record = board->most + (uint32_t)sizeof(struct ShmChannelRecord);
  volatile unsigned char *const rings = run.channel.member.base + shmci_rings_at(board->lanes);
  const size_t size = (size_t)board->lanes * board->capacity;
  struct Random random = decide(run.round, SLOTS, 2);
  for (uint32_t turn = 0;; turn++) {
    for (size_t place = 0; place < size; place += record) {
      if (below(&random, 4) != 0) continue;
      for (size_t at = sizeof(struct ShmChannelRecord) + REWRITTEN_FROM; at < record; at++) {
        rings[place + at] = REWRITTEN_WITH[turn % 2];
      }
    }
    rest(400);
  }
}

static void start_rewriter(void) {
  run.rewriter = fork();
  if (run.rewriter == -1) fail("cannot fork: %s", strerror(errno));
  if (run.rewriter != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == 1) _exit(1);
  rewrite();
}

/* ---- deaths ---------------------------------------------------------------------------------- */

/* The kernel undid what the dead one held: no peer needs to wait for a lane, the role or the door. */
static void check_undone(uint32_t number, pid_t pid) {
  if (!run.attached) return;
  for (uint32_t n = 0; n < run.channel.lanes + 2; n++) {
    const int semaphore = (int)n;
    const pid_t before = semctl(run.channel.member.set, semaphore, GETPID);
    const int value = shmi_value(run.channel.member.set, semaphore);
    const pid_t after = semctl(run.channel.member.set, semaphore, GETPID);
    if (value != 0 && before == pid && after == pid) {
      fail("%s is dead and holds semaphore %d still", name_of(number), semaphore);
    }
  }
}

/* It was reaped: what it leaves is judged, and those who wait from now on are noted. */
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

/* It ended by itself: when it had done enough, or when the channel was removed under it. */
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
    run.kills[child->plan.language][number == CONSUMER_SLOT][child->stopped]++;
    run.kills_in[state]++;
    bury(number, true);
    return;
  }
  /* it ended just before that */
  ended(number, status);
}

/* Those who ended by themselves. */
static void reap(void) {
  for (;;) {
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    uint32_t number = 0;
    if (pid == run.rewriter) fail("the rewriter ended with %x", status);
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

/* Whether something is there to be received: by the lanes themselves if we can see them. */
static bool has_backlog(void) {
  if (run.attached) return !shmci_is_empty(&run.channel.member);
  const struct Board *const board = run.board;
  uint64_t missing = 0;
  for (uint32_t tag = 0; tag < board->tags; tag++) {
    const uint32_t published = noted(&board->records[tag].published);
    const uint32_t seen = noted(&board->records[tag].seen);
    if (published > seen) missing += published - seen;
  }
  return missing > board->allowance;
}

/* Whether there is room for any message in a producer's lane, as far as we can see. */
static bool has_room(uint32_t number) {
  const struct Board *const board = run.board;
  const uint32_t lane = noted(&board->records[board->slots[number].tag].lane);
  if (!run.attached || lane == 0) return false;
  const struct ShmChannelLane *const words = &shmci_lanes(&run.channel)[lane - 1];
  const uint32_t head = noted(&words->consumer.head), tail = noted(&words->producer.tail);
  /* the padding before a record is shorter than the record */
  return board->capacity - (tail - head) >= 2 * shmci_record_size(board->most);
}

/* Whether a peer can go on, so that it is stuck if it does not. */
static bool can_go_on(uint32_t number) {
  const struct Child *const child = &run.children[number];
  const struct Child *const consumer = &run.children[CONSUMER_SLOT];
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
  if (number == CONSUMER_SLOT) return has_backlog();
  if (has_room(number)) return true;
  /* a consumer takes its time with a message, but if it does nothing there is nothing to wait for */
  const struct Slot *const slot = &run.board->slots[CONSUMER_SLOT];
  const uint32_t state = noted(&slot->state);
  return consumer->pid != 0 && !consumer->stopped && (state == WORKING || state == WAITING) &&
         noted(&slot->progress) == consumer->progress;
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
    const bool idle = number == CONSUMER_SLOT && state == WAITING && !eligible;
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
  const int set = run.attached ? run.channel.member.set : semget(options.key, 0, 0);
  const int lock = (int)run.board->lanes + SHM_CHANNEL_SEMAPHORES_BESIDE_LANES - 3;
  return set != -1 && shmi_holder(set, lock, 1) == child->pid;
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

/* Looks at everybody once. */
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

/* ---- a round --------------------------------------------------------------------------------- */

static void begin_round(void) {
  static const uint32_t capacities[] = {64, 128, 256, 512, 1024, 4096, 65536};
  struct Random random = decide(++run.round, SLOTS, 0);
  struct Board *const board = run.board;
  run.mixed = options.kills_c <= kills_of(C);
  memset(board, 0, sizeof *board);
  board->key = (uint32_t)options.key;
  board->lanes = 1 + below(&random, run.mixed ? 2 : MOST_LANES);
  board->capacity = capacities[below(&random, sizeof capacities / sizeof capacities[0])];
  const uint32_t longest = shmci_max_message(board->capacity);
  board->least = 8;
  board->most = longest < 400 ? longest : 400;
  run.producers = board->lanes;
  const uint32_t kind = below(&random, 6);
  /* half of the rounds have none */
  const uint32_t fault = below(&random, 2 * (FAULTS - 1));
  run.fault = options.fault != NOTHING ? options.fault : fault < FAULTS ? (enum Fault)fault : NOTHING;
  if (run.fault == USERS && geteuid() != 0) run.fault = NOTHING;
  run.faults[run.fault]++;
  run.removed = run.ended_by_removal = 0;
  board->shared = run.fault == USERS;
  board->patience = run.fault != LOCK_HOLDERS ? 0 : run.mixed ? 50 : 20;
  board->rewriting = run.fault == REWRITING;
  if (run.fault == REWRITING) {
    const uint32_t most = board->capacity < 4096 ? board->capacity / 2 : 2048;
    uint32_t record = 32;
    while (record < most && below(&random, 2) == 0) record *= 2;
    board->least = board->most = record - (uint32_t)sizeof(struct ShmChannelRecord);
  }
  run.attached = kind < 3 || run.fault == REWRITING;
  run.revolving = kind > 3 && run.fault != REWRITING;
  if (run.revolving) run.producers = 1 + below(&random, board->lanes < 2 ? 1 : 2);
  memset(run.children, 0, sizeof run.children);
  if (run.attached) {
    const struct ShmChannelOptions wanted = channel_options(board);
    if (shm_channel_open_or_create(&run.channel, &wanted, NULL) != SHM_OK) {
      fail("cannot make the channel");
    }
  }
  if (run.fault == REWRITING) start_rewriter();
}

static bool enough(uint64_t kills_before) {
  const uint64_t kills = kills_of(run.mixed ? TYPESCRIPT : C);
  const uint64_t wanted = run.mixed ? options.kills_ts : options.kills_c;
  const uint64_t most = run.fault == REMOVING ? (run.mixed ? 10 : 60) : run.mixed ? 40 : 300;
  return kills >= wanted || kills - kills_before >= most ||
         run.board->tags > MOST_TAGS - 2 * SLOTS;
}

static bool is_there(uint32_t number) { return run.children[number].pid != 0; }

/* Everybody works, and is killed. */
static void rage(void) {
  const uint64_t before = kills_of(run.mixed ? TYPESCRIPT : C);
  while (!enough(before)) {
    pass();
    for (uint32_t i = 0; i < SLOTS; i++) {
      const bool wanted = i < run.producers || i == CONSUMER_SLOT;
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
  struct ShmChannel channel;
  const struct ShmChannelOptions wanted = channel_options(run.board);
  if (shmget(options.key, 0, 0) == -1 || semget(options.key, 0, 0) != -1) return;
  if (shm_channel_open_or_create(&channel, &wanted, NULL) != SHM_FOREIGN) {
    fail("a segment without a set is taken for a channel");
  }
}

/* Removes the channel under the peers that have joined, and waits until all have ended. */
static void end_round_by_removal(void) {
  struct Random random = decide(run.round, SLOTS, 1);
  const enum Part part = (enum Part)below(&random, PARTS);
  /* 1: the consumer, 2: the producers; the others have to wait then */
  const uint32_t absent = below(&random, 3);
  bool there = true;
  for (uint32_t i = 0; i < SLOTS; i++) {
    struct Child *const child = &run.children[i];
    if (child->pid != 0 && child->stopped) continue_child(child);
    const bool consumer = i == CONSUMER_SLOT;
    const bool wanted = absent == 0 || consumer == (absent == 2);
    if (child->pid != 0 && (noted(&run.board->slots[i].state) < WORKING || !wanted)) kill_child(i);
  }
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
  if (run.attached) shm_channel_leave(&run.channel);
  if (part == SET) check_newcomer();
  const bool left = part != SET && (run.attached || run.ended_by_removal > 0);
  if (left && semget(options.key, 0, 0) != -1) fail("the last one out left the set behind");
  for (uint32_t tag = 0; tag < run.board->tags; tag++) run.messages += run.board->records[tag].seen;
  remove_leftovers();
}

/* The producers who are left end, beside a consumer, which is killed in the end. */
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
    if (producing && !is_there(CONSUMER_SLOT)) start(CONSUMER_SLOT);
    sleep_until_due();
  }
  if (is_there(CONSUMER_SLOT)) kill_child(CONSUMER_SLOT);
}

/* A consumer in this very process: a violation is ours to report. */
static void complain_here(const char *what, ...) {
  char text[464];
  va_list values;
  va_start(values, what);
  vsnprintf(text, sizeof text, what, values);
  va_end(values);
  fail("the last consumer: %s", text);
}

static void take_rest(void *argument, const struct ShmChannelMessage *message) {
  take((struct Taker *)argument, message, false);
}

/* All that was published was seen, and all of what was published at once. */
static uint64_t check_records(void) {
  struct Board *const board = run.board;
  uint64_t seen_in_all = 0;
  uint32_t lost = board->lost;
  for (uint32_t tag = 0; tag < board->tags; tag++) {
    const struct Record *const record = &board->records[tag];
    const uint32_t seen = record->seen;
    seen_in_all += seen;
    if (seen < record->published) lost += record->published - seen;
    if (lost > board->allowance) {
      fail("tag %u: %u messages were published and %u seen; %u are lost in all, and killed consumers "
           "had only %u in hand", tag, record->published, seen, lost, board->allowance);
    }
    const bool between = record->batch != 0 && seen > record->published && seen < record->intent;
    if (board->allowance == 0 && seen != record->published && seen != record->intent && !between) {
      fail("tag %u: %u messages came, where %u or %u were published", tag, seen, record->published,
           record->intent);
    }
  }
  run.messages += seen_in_all;
  run.losses += lost;
  run.repeats += board->repeats;
  return seen_in_all;
}

/* The tallies, which were filled in by many who died over it, are right. */
static void check_tallies(uint64_t seen) {
  uint64_t sent = 0;
  for (uint32_t lane = 0; lane < run.channel.lanes; lane++) {
    struct ShmChannelLaneStats stats;
    shm_channel_lane_stats(&run.channel, lane, &stats);
    if (stats.depth != 0 || stats.bytes != 0 || stats.alive) {
      fail("lane %u is empty and free, and says depth %llu, bytes %u", lane,
           (unsigned long long)stats.depth, stats.bytes);
    }
    sent += stats.messages;
  }
  if (sent < seen || sent - seen > run.board->allowance) {
    fail("the lanes have counted %llu messages, and %llu were seen", (unsigned long long)sent,
         (unsigned long long)seen);
  }
}

/* Takes what is left, as the only one there, and removes the channel by leaving it. */
static void end_round(void) {
  static struct Taker taker;
  static struct ShmChannelConsumer consumer;
  memset(&taker, 0, sizeof taker);
  taker.board = run.board;
  taker.complain = complain_here;
  const struct ShmChannelOptions wanted = channel_options(run.board);
  if (!run.attached && shm_channel_open_or_create(&run.channel, &wanted, NULL) != SHM_OK) {
    fail("cannot open the channel that all others left");
  }
  if (shm_channel_open_consumer(&consumer, &run.channel) != SHM_OK) {
    fail("the last consumer is dead, and its role cannot be taken");
  }
  enum ShmStatus status;
  do {
    status = shm_channel_drain(&consumer, take_rest, &taker, 0, NULL);
  } while (status == SHM_OK);
  if (status != SHM_EMPTY) {
    char line[800];
    shm_describe(&consumer.error, line, sizeof line);
    fail("the last consumer: status %d, %s", (int)status, line);
  }
  const uint64_t seen = check_records();
  end_rewriter();
  if (run.attached) check_tallies(seen);
  shm_channel_close_consumer(&consumer);
  const int users = shmi_value(run.channel.member.set, run.channel.member.users);
  if (users != 1) fail("%d users are counted where there is one", users);
  enum ShmLeaveResult fate = shm_channel_leave(&run.channel);
  if (fate == SHM_KEPT && !run.attached) {
    /* one that was killed had DISPOSABLE at 0 and was about to remove the segment */
    if (shm_channel_open(&run.channel, &wanted, NULL) != SHM_OK ||
        shm_channel_remove(&run.channel) != SHM_OK) {
      fail("the channel that was kept cannot be removed");
    }
    shm_channel_leave(&run.channel);
    fate = SHM_WAS_REMOVED;
  }
  if (fate != SHM_WAS_REMOVED) fail("the last one out could not remove the channel");
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
  fprintf(stderr, "channel_harness: %s; see the head of channel_harness.c\n", what);
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

/* The board goes with the last one who has it: nothing of it is left, whichever peer is killed. */
static void make_board(void) {
  const int id = shmget(IPC_PRIVATE, sizeof(struct Board), IPC_CREAT | 0600);
  run.board = id == -1 ? (struct Board *)-1 : (struct Board *)shmat(id, NULL, 0);
  if (run.board == (struct Board *)-1) {
    perror("channel_harness: the board");
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
