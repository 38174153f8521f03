/*
 * Sleeping and waking of Latest and Topic (docs/wire_format.md): one word, `waiting`, for every process
 * that sleeps and for every process that publishes.
 *
 * One statement of a process is one step of the machine, as in channel.pml. A publisher stores `position`
 * (published of Latest, tail of a lane of Topic), and then wakes. A sleeper wants to see every position at
 * its last value. With no SLICES only a wake wakes, so that a missed wake is a deadlock that spin finds.
 *
 * The experiment (-D):
 *   PUBLISHERS, SLEEPERS   1 or 2 of each
 *   MESSAGES               of each publisher
 *   KILLS                  so many times a publisher is killed, at any step, and a successor comes. Needs SLICES
 *   SLICES                 all sleepers wake by themselves when nothing else can happen
 *
 * Broken on purpose (-D): NO_RECHECK, RELAXED_POSITION, WAITING_IS_A_FLAG. README.md explains them.
 */

#ifndef KILLS
#define KILLS 0
#endif

byte position[PUBLISHERS];
byte waiting; /* odd: a process sleeps, or is about to */
bool queued[SLEEPERS]; /* in FUTEX_WAIT */

/* The store of a position that no other process sees yet (x86-TSO and ARMv8 have such). */
bool buffered[PUBLISHERS];
#define VISIBLE(me) !buffered[me]

bool dying[PUBLISHERS];
bool over[PUBLISHERS];
byte kills = KILLS;

inline futex_wake() {
  atomic {
    queued[0] = false;
#if SLEEPERS == 2
    queued[1] = false
#endif
  }
}

proctype publisher(byte me) {
life:
  {
    do
    :: position[me] == MESSAGES -> break
    :: position[me] < MESSAGES ->
       buffered[me] = true;
#ifndef RELAXED_POSITION
       VISIBLE(me); /* sequentially consistent: the load of `waiting` comes after the store */
#endif
       /* SYNC waiting */
       if
       :: waiting % 2 == 0
       :: waiting % 2 == 1 ->
#ifdef WAITING_IS_A_FLAG
          atomic { VISIBLE(me); waiting = 0 };
#else
          atomic { VISIBLE(me); waiting++ };
#endif
          futex_wake()
       fi;
       VISIBLE(me)
    od;
    over[me] = true
  } unless { dying[me] };

  if
  :: over[me]
  :: !over[me] -> atomic { VISIBLE(me); dying[me] = false; goto life }
  fi
}

inline look() {
  do
  :: i < PUBLISHERS ->
     atomic { found = found || seen[i] != position[i]; seen[i] = position[i]; i++ }
  :: i == PUBLISHERS -> i = 0; break
  od
}

proctype sleeper(byte me) {
  byte w, i;
  byte seen[PUBLISHERS];
  bool found;

  do
  :: look();
     if
     :: seen[0] == MESSAGES && seen[PUBLISHERS - 1] == MESSAGES -> break
     :: else
     fi;
     /* SYNC waiting. An atomic `or`, sequentially consistent */
     atomic {
#ifdef WAITING_IS_A_FLAG
       w = 1;
#else
       w = waiting + 1 - waiting % 2;
#endif
       waiting = w;
       found = false
     };
#ifndef NO_RECHECK
     look();
#endif
     if
     :: found
     :: !found ->
        /* FUTEX_WAIT compares and enters the queue in one step */
        atomic {
          if
          :: waiting == w -> queued[me] = true
          :: else
          fi
        };
        !queued[me]
     fi
  od
}

/* Stores become visible at any moment, of the dead too. */
proctype memory() {
end:
  do
  :: atomic { buffered[0] -> position[0]++; buffered[0] = false }
#if PUBLISHERS == 2
  :: atomic { buffered[1] -> position[1]++; buffered[1] = false }
#endif
  od
}

#if KILLS
proctype killer() {
  do
  :: atomic { kills > 0 && !over[0] -> kills--; dying[0] = true }
#if PUBLISHERS == 2
  :: atomic { kills > 0 && !over[1] -> kills--; dying[1] = true }
#endif
  :: kills > 0 -> kills = 0
  :: kills == 0 -> break
  od
}
#endif

#ifdef SLICES
/* The ends of all slices, when the machine has come to rest. */
proctype clock() {
end:
  do
  :: atomic { timeout && (queued[0] || queued[SLEEPERS - 1]) -> futex_wake() }
  od
}
#endif

init {
  atomic {
    run publisher(0);
#if PUBLISHERS == 2
    run publisher(1);
#endif
    run sleeper(0);
#if SLEEPERS == 2
    run sleeper(1);
#endif
    run memory();
#if KILLS
    run killer();
#endif
#ifdef SLICES
    run clock();
#endif
  }
}
