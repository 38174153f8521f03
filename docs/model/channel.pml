/*
 * The channel of docs/wire_format.md: rings, lanes as claims, sleeping and waking, killed peers.
 *
 * One statement of a process is one step of the machine: a load, a store, an exchange or a system
 * call. Between any two of them another process may run, or the process may be killed. What is marked
 * GHOST only the model knows; no process decides anything by it, but when the experiment is over.
 *
 * A ring has C words of 8 bytes; positions count words, modulo LAP. A record is a header, or a header
 * and one word of payload. The number of the message is in both, so what is read can be checked.
 *
 * The experiment (-D):
 *   LANES, PRODUCERS   1 or 2 of each
 *   MESSAGES           of each producer
 *   LARGEST            words of the largest record, 1 or 2. Two need padding records where the ring ends
 *   KILLS              so many times a process is killed, any process at any step, and a successor comes
 *   SLICES             sleepers wake by themselves: so many times at any moment, and all of them when
 *                      nothing else can happen. Without it only a wake wakes
 *   LEAVES             so often the consumer gives up its role instead of sleeping, leaves a thread in
 *                      FUTEX_WAIT behind (an aborted `receive` in Deno), and another one comes
 *   LINGER             producers keep their lane until all was received, so that closing wakes no process
 *   WEAK               each process has a store buffer (x86-TSO, one store deep) for tail, head, asleep
 *
 * Broken on purpose (-D): every name in an #ifdef below that is not above. README.md explains them.
 */

#ifndef KILLS
#define KILLS 0
#endif
#ifndef LEAVES
#define LEAVES 0
#endif

#define C 4
#define LAP 8

/* Peers: the producers are 0 .. PRODUCERS - 1. */
#define CONSUMER PRODUCERS
#define PEERS (PRODUCERS + 1)

/* Shared memory: the words both sides look at, and the rings. */
#define ASLEEP 0
#define TAIL(l) (1 + 3 * (l))
#define HEAD(l) (2 + 3 * (l))
#define LANE_ASLEEP(l) (3 + 3 * (l))
byte word[1 + 3 * LANES];
byte ring[LANES * C];

/* What a word of a ring may hold. UNKNOWN: anything; a process that reads it reads too early or too late. */
#define UNKNOWN 0
#define PADDING 1
#define HEADER(number, size) (2 + 2 * ((number) & 3) + (size) - 1)
#define SIZE_IN(header) (1 + ((header) & 1))
#define PAYLOAD(number) (10 + ((number) & 3))

/* The kernel: semaphores (0, or 1 + the holder) and futex queues (each lane's owner; the consumer). */
byte role;
byte lane[LANES];
bool queued[LANES + 1];
#define QUEUE_OF_CONSUMER LANES
bool left_behind; /* in the consumer's queue before it: a thread that no task waits for any more */
bool dying[PEERS]; /* killed: it does nothing any more, but the kernel has not yet undone its claims */
bool over[PEERS];

/* GHOST */
byte sent[PRODUCERS];  /* messages each producer has published */
byte published[LANES]; /* messages below tail, ever */
byte acked[LANES];     /* messages below head, ever */
byte kills = KILLS;
byte leaves = LEAVES;
bool stale;            /* a former consumer still means to store 0 to asleep */
#ifdef SLICES
byte early = SLICES;
byte barren;           /* how often in a row all slices ended and nothing came of it */
#define PROGRESS barren = 0
#else
#define PROGRESS skip
#endif

/* A store: at once in memory, or first in a buffer where only its own process would find it. */
#ifdef WEAK
bool buffered[PEERS];
byte place[PEERS];
byte value[PEERS];
#define MAY_STORE(p) !buffered[p]
#define VISIBLE(p) !buffered[p]
#define STORE(p, w, v) buffered[p] = true; place[p] = w; value[p] = v
#else
#define MAY_STORE(p) true
#define VISIBLE(p) true
#define STORE(p, w, v) word[w] = v
#endif

/* The store before it was sequentially consistent: what follows waits until all processes can see it. */
inline seq_cst(p) {
#ifdef WEAK
  VISIBLE(p)
#else
  skip
#endif
}

#define DISTANCE(from, to) (((to) + LAP - (from)) % LAP)

/* FUTEX_WAIT: compares and enters the queue in one step. A system call, so own stores are visible. */
inline futex_wait(p, w, queue) {
  atomic {
    VISIBLE(p);
    if
    :: word[w] == 1 -> assert(!queued[queue]); queued[queue] = true
    :: else
    fi
  };
  !queued[queue]
}

/* FUTEX_WAKE, for all in the queue. */
inline futex_wake(queue) {
  atomic {
    woke = false;
#ifdef WAKE_ONE
    if
    :: queue == QUEUE_OF_CONSUMER && left_behind -> left_behind = false
    :: else -> queued[queue] = false
    fi
#else
    if
    :: queue == QUEUE_OF_CONSUMER -> left_behind = false
    :: else
    fi;
    queued[queue] = false
#endif
  }
}

/* SYNC asleep. After a store that the other side may sleep for: load, exchange, wake. */
inline wake(p, w, queue) {
  if
  :: word[w] == 0
  :: word[w] != 0 ->
     atomic { VISIBLE(p); woke = word[w]; word[w] = 0 };
     if
     :: woke -> futex_wake(queue)
     :: else
     fi
  fi
}

inline store(p, w, v) {
  atomic { MAY_STORE(p); STORE(p, w, v) }
}

/* GHOST: what was between two positions is not known from now on. */
inline forget(from, to) {
  do
  :: from != to -> ring[l * C + from % C] = UNKNOWN; from = (from + 1) % LAP
  :: else -> break
  od
}

/* SYNC head. From here on the producer may overwrite what was before. */
inline load_head() {
  atomic { to = word[HEAD(l)]; forget(h, to); to = 0 }
}

inline publish() {
  atomic {
    MAY_STORE(me);
    assert(lane[l] == me + 1);
    STORE(me, TAIL(l), t); /* SYNC tail */
    published[l] = published[l] + batch;
    sent[me] = sent[me] + batch;
    batch = 0;
    PROGRESS
  };
#ifndef RELAXED_TAIL
  seq_cst(me);
#endif
#ifndef NO_WAKE
  wake(me, ASLEEP, QUEUE_OF_CONSUMER)
#endif
}

#define ROOM (DISTANCE(h, t) + padding + size <= C)

proctype producer(byte me) {
  byte l, t, h, size, padding, batch, to;
  bool woke, slept;

life:
  {
    /* SYNC role. It waits for a free lane, which a real producer leaves to its caller */
#ifdef ROLE_IN_TWO_STEPS
    lane[0] == 0;
    lane[0] = me + 1;
#else
    do
    :: atomic { lane[0] == 0 -> lane[0] = me + 1 } -> break
#if LANES == 2
    :: atomic { lane[0] != 0 && lane[1] == 0 -> lane[1] = me + 1; l = 1 } -> break
#endif
    od;
#endif
    atomic {
      t = word[TAIL(l)];
      /* GHOST: a killed owner may have written anything beyond the tail */
      h = t;
      to = word[HEAD(l)];
      do
      :: h != (to + C) % LAP -> ring[l * C + h % C] = UNKNOWN; h = (h + 1) % LAP
      :: else -> break
      od;
      h = to;
      to = 0
    };
    store(me, LANE_ASLEEP(l), 0);
    seq_cst(me);

    do
    :: sent[me] + batch == MESSAGES -> break
    :: sent[me] + batch < MESSAGES ->
       if
       :: atomic { true -> size = 1; padding = 0 }
#if LARGEST == 2
       :: atomic { true -> size = 2; padding = (t % C == C - 1 -> 1 : 0) }
#endif
       fi;
#ifdef NO_PADDING
       padding = 0;
#endif
       if
       :: ROOM
       :: !ROOM -> load_head()
       fi;
       do
       :: ROOM -> break
       :: !ROOM ->
#ifndef WAIT_BEFORE_PUBLISHING
          if
          :: batch > 0 -> publish()
          :: else
          fi;
#endif
          slept = true;
          store(me, LANE_ASLEEP(l), 1); /* SYNC asleep */
#ifndef RELAXED_LANE_ASLEEP
          seq_cst(me);
#endif
#ifdef NO_ROOM_RECHECK
          futex_wait(me, LANE_ASLEEP(l), l);
          load_head();
#else
          load_head();
          if
          :: ROOM
          :: !ROOM -> futex_wait(me, LANE_ASLEEP(l), l)
          fi
#endif
       od;
       if
       :: slept -> slept = false; store(me, LANE_ASLEEP(l), 0); seq_cst(me)
       :: else
       fi;
#ifdef TAIL_FIRST
       store(me, TAIL(l), (t + padding + size) % LAP);
       seq_cst(me);
#endif
       if
       :: padding -> atomic { ring[l * C + t % C] = PADDING; t = (t + 1) % LAP; padding = 0 }
       :: else
       fi;
       ring[l * C + t % C] = HEADER(published[l] + batch, size);
       if
       :: size == 2 -> ring[l * C + (t + 1) % C] = PAYLOAD(published[l] + batch)
       :: else
       fi;
       atomic { t = (t + size) % LAP; size = 0; batch++ };
       if
       :: publish()
       :: sent[me] + batch < MESSAGES /* one publish for several */
       fi
    od;

#ifdef LINGER
    over[CONSUMER];
#endif
    /* Closing: a system call, then the wake */
    atomic { VISIBLE(me) && lane[l] == me + 1 -> lane[l] = 0; PROGRESS };
#ifndef NO_CLOSING_WAKE
    wake(me, ASLEEP, QUEUE_OF_CONSUMER);
#endif
    over[me] = true
  } unless { dying[me] };

  if
  :: over[me]
  :: !over[me] ->
     /* The kernel undoes its claim. A successor comes, if there is more to send */
     atomic {
       VISIBLE(me);
       if
       :: lane[l] == me + 1 -> lane[l] = 0
       :: else
       fi;
       dying[me] = false;
       over[me] = (sent[me] == MESSAGES);
       l = 0; t = 0; h = 0; size = 0; padding = 0; batch = 0; to = 0; woke = false; slept = false
     };
     if
     :: over[me]
     :: !over[me] -> goto life
     fi
  fi
}

/* The consumer in one lane. GHOST: messages up to head, and those there were at the look for the end. */
typedef Progress {
  byte head;
  byte got;
  byte owed
}

/* SYNC tail */
inline load_tail() {
  atomic { t = word[TAIL(l)]; assert(DISTANCE(at[l].head, t) <= C) }
}

inline read_record() {
  atomic {
#ifdef RECORD_BEFORE_TAIL
    if
    :: early_look -> w = early_word; early_look = false; early_word = 0
    :: else -> w = ring[l * C + at[l].head % C]
    fi;
#else
    w = ring[l * C + at[l].head % C];
#endif
    assert(w != UNKNOWN);
    /* Whole, in order, none lost and none twice but what its predecessor had not acknowledged */
    assert(w == PADDING || w == HEADER(at[l].got, SIZE_IN(w)));
    size = (w == PADDING -> C - at[l].head % C : SIZE_IN(w));
    assert(size <= DISTANCE(at[l].head, t));
    assert(at[l].head % C + size <= C)
  };
  if
  :: w != PADDING && size == 2 ->
     assert(ring[l * C + (at[l].head + 1) % C] == PAYLOAD(at[l].got))
  :: else
  fi;
  skip;
  atomic {
    at[l].got = at[l].got + (w == PADDING -> 0 : 1);
    at[l].head = (at[l].head + size) % LAP;
    w = 0;
    size = 0
  }
}

inline publish_head(position) {
  atomic {
    MAY_STORE(CONSUMER);
    STORE(CONSUMER, HEAD(l), position); /* SYNC head */
    acked[l] = at[l].got;
    PROGRESS
  };
#ifndef RELAXED_HEAD
  seq_cst(CONSUMER);
#endif
#ifndef NO_ROOM_WAKE
  wake(CONSUMER, LANE_ASLEEP(l), l)
#endif
}

/* Whether any lane is taken: a system call that looks at all of them at once. */
inline look_for_the_end() {
  atomic {
    taken = lane[0] != 0;
#if LANES == 2
    taken = taken || lane[1] != 0;
#endif
    l = 0;
    do
    :: l < LANES -> at[l].owed = (taken -> 0 : published[l]); l++
    :: else -> break
    od;
    l = 0
  }
}

inline look_at_tails() {
  do
  :: l < LANES ->
     load_tail();
     atomic { found = found || at[l].head != t; t = 0; l++ }
  :: l == LANES -> l = 0; break
  od
}

proctype consumer() {
  byte l, t, w, size, total;
  bool woke, found, taken, finished;
#ifdef RECORD_BEFORE_TAIL
  bool early_look;
  byte early_word;
#endif
  Progress at[LANES];

life:
  {
    atomic {
      role == 0 -> role = 1; /* SYNC role */
      do
      :: l < LANES -> at[l].head = word[HEAD(l)]; at[l].got = acked[l]; l++
      :: else -> break
      od;
      l = 0
    };
    store(CONSUMER, ASLEEP, 0);
    seq_cst(CONSUMER);

receive:
    found = false;
    do
    :: l < LANES ->
#ifdef RECORD_BEFORE_TAIL
       atomic { early_word = ring[l * C + at[l].head % C]; early_look = true };
#endif
       load_tail();
#ifdef HEAD_FIRST
       if
       :: at[l].head != t -> publish_head(t)
       :: else
       fi;
#endif
       do
       :: at[l].head != t ->
          found = true;
          read_record();
#ifndef HEAD_FIRST
          if
          :: publish_head(at[l].head)
          :: at[l].head != t /* one publish for several */
          fi
#endif
       :: at[l].head == t -> break
       od;
#ifdef RECORD_BEFORE_TAIL
       atomic { early_word = 0; early_look = false };
#endif
       atomic { t = 0; l++ }
    :: l == LANES -> l = 0; break
    od;
    if
    :: found -> goto receive
    :: !found
    fi;

    /* Nothing there. It says that it sleeps, looks again, and sleeps */
#ifdef NO_END_RECHECK
    look_for_the_end();
#endif
    store(CONSUMER, ASLEEP, 1); /* SYNC asleep */
#ifndef RELAXED_ASLEEP
    seq_cst(CONSUMER);
#endif
#ifdef NO_RECHECK
    look_for_the_end();
#else
#ifdef TAILS_BEFORE_LANES
    look_at_tails();
    look_for_the_end();
#else
#ifndef NO_END_RECHECK
    look_for_the_end();
#endif
    look_at_tails();
#endif
#endif
    atomic {
      finished = !found && !taken;
      do
      :: l < LANES ->
#ifndef NO_RECHECK
         /* It would say that the stream has ended: then it has all there was */
         assert(!finished || at[l].got >= at[l].owed);
#endif
         total = total + at[l].got;
         at[l].owed = 0;
         l++
      :: else -> break
      od;
      /* GHOST: the experiment goes on until all was received, with the next consumer as it were */
#ifdef LINGER
      finished = !found && total == PRODUCERS * MESSAGES;
#else
      finished = finished && total == PRODUCERS * MESSAGES;
#endif
      l = 0; total = 0; taken = false
    };
    if
    :: finished -> goto done
    :: !finished && !found -> futex_wait(CONSUMER, ASLEEP, QUEUE_OF_CONSUMER)
#if LEAVES
    :: !finished && !found && leaves > 0 && !left_behind ->
       atomic { VISIBLE(CONSUMER); leaves--; left_behind = (word[ASLEEP] == 1) };
#ifdef LATE_AWAKE
       stale = true;
#else
       store(CONSUMER, ASLEEP, 0);
#endif
       atomic { VISIBLE(CONSUMER); role = 0 };
       goto life
#endif
    :: found
    fi;
    store(CONSUMER, ASLEEP, 0);
    seq_cst(CONSUMER);
    goto receive;

done:
    skip; /* a jump cannot lead into a d_step */
    atomic { VISIBLE(CONSUMER); role = 0 };
    over[CONSUMER] = true
  } unless { dying[CONSUMER] };

  if
  :: over[CONSUMER]
  :: !over[CONSUMER] ->
     atomic {
       VISIBLE(CONSUMER);
       role = 0;
       dying[CONSUMER] = false;
       l = 0;
       do
       :: l < LANES -> at[l].head = 0; at[l].got = 0; at[l].owed = 0; l++
       :: else -> break
       od;
       l = 0; t = 0; w = 0; size = 0; total = 0;
       woke = false; found = false; taken = false; finished = false
     };
     goto life
  fi
}

#if KILLS
/* SIGKILL. The victim's next step does not happen, and no queue of a futex knows it any more. */
inline killing(p) {
  kills > 0 && !dying[p] && !over[p];
  kills--;
  dying[p] = true;
  if
  :: p == CONSUMER -> queued[QUEUE_OF_CONSUMER] = false
  :: else
  fi;
  if
  :: lane[0] == p + 1 -> queued[0] = false
  :: else
  fi;
#if LANES == 2
  if
  :: lane[1] == p + 1 -> queued[1] = false
  :: else
  fi
#endif
}

proctype killer() {
  do
  :: atomic { killing(CONSUMER) }
  :: atomic { killing(0) }
#if PRODUCERS == 2
  :: atomic { killing(1) }
#endif
  :: kills > 0 -> kills = 0
  :: kills == 0 -> break
  od
}
#endif

#ifdef SLICES
/* The ends of slices: some at any moment, and all when the machine has come to rest. */
proctype clock() {
  byte i;
  do
  :: atomic { early > 0 && queued[QUEUE_OF_CONSUMER] -> early--; queued[QUEUE_OF_CONSUMER] = false }
  :: atomic { early > 0 && queued[0] -> early--; queued[0] = false }
#if LANES == 2
  :: atomic { early > 0 && queued[1] -> early--; queued[1] = false }
#endif
  :: early > 0 -> early = 0
  :: timeout ->
     atomic {
       i = 0;
       do
       :: i <= LANES && !queued[i] -> i++
       :: else -> break
       od;
       if
       :: i <= LANES ->
          /* All looked again, nothing came of it, and they sleep again: stuck for good */
          assert(barren == 0);
          barren++;
          i = 0;
          do
          :: i <= LANES -> queued[i] = false; i++
          :: else -> break
          od;
          i = 0
       :: else -> i = LANES + 2
       fi
     };
     if
     :: i > LANES -> break
     :: else
     fi
  od
}
#endif

#ifdef WEAK
/* Buffered stores become visible at any moment, of the dead too. */
inline drain(p) {
  buffered[p];
  word[place[p]] = value[p];
  buffered[p] = false;
  place[p] = 0;
  value[p] = 0
}

proctype memory() {
end:
  do
  :: atomic { drain(CONSUMER) }
  :: atomic { drain(0) }
#if PRODUCERS == 2
  :: atomic { drain(1) }
#endif
  od
}
#endif

#ifdef LATE_AWAKE
/* The store that a consumer which has left its role still does. */
proctype latecomer() {
end:
  atomic { stale -> stale = false; word[ASLEEP] = 0 }
}
#endif

init {
  atomic {
    run producer(0);
#if PRODUCERS == 2
    run producer(1);
#endif
    run consumer();
#if KILLS
    run killer();
#endif
#ifdef SLICES
    run clock();
#endif
#ifdef WEAK
    run memory();
#endif
#ifdef LATE_AWAKE
    run latecomer();
#endif
  }
}
