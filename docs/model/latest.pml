/*
 * Latest of docs/wire_format.md: the cells, a writer that is killed and followed, readers that copy and
 * check. Sleeping and waking are in waiting.pml.
 *
 * One statement of a process is one step of the machine, as in channel.pml. Plain stores and plain
 * loads happen in any order, but for the fences. The store of `published` may become visible after plain
 * stores that follow it, as on ARMv8. What is marked GHOST only the model knows.
 *
 * Numbers in memory are modulo LAP (2^32 in truth), with the laps in `high`. The value of the n-th
 * publication is two words n.
 *
 * The experiment (-D):
 *   CELLS     2 or 4
 *   LAP       a multiple of CELLS, more than CELLS
 *   WRITES    publications. With more than LAP of them numbers come again, while a reader stands still
 *   KILLS     so many times the writer is killed, at any step, and a successor comes
 *
 * Broken on purpose (-D): every name in an #ifdef below that is not above. README.md explains them.
 */

#ifndef KILLS
#define KILLS 0
#endif

typedef Cell {
  byte low;
  byte high;
  byte first;
  byte last
}

byte published;
Cell cell[CELLS];
byte role; /* the semaphore WRITER: 0 or 1 */

/* The store of `published` that no reader sees yet. GHOST: the whole number. */
bool buffered;
byte storing;
#define VISIBLE !buffered

byte newest; /* GHOST: the number of the last publication that is visible */
bool dying;
bool over;
byte kills = KILLS;

#define DISTANCE(from, to) (((to) + LAP - (from)) % LAP)

/* Which words are still to be stored or loaded. */
#define LOW 1
#define HIGH 2
#define FIRST 4
#define LAST 8
#define HAS(word) ((left / word) % 2 == 1)

#ifdef CELLS_MINUS_1
#define ROOM (CELLS - 1)
#else
#define ROOM (CELLS - 2)
#endif

inline publish() {
  atomic { VISIBLE -> storing = n; buffered = true } /* SYNC published */
}

proctype writer() {
  byte n, left;

life:
  {
    atomic {
      role == 0 -> role = 1;
      /* It checks what it takes over */
      assert(cell[published % CELLS].low == published);
      n = published + LAP * cell[published % CELLS].high;
#ifdef SKIPPED_NUMBER
      /* It takes what its predecessor began for written */
      if
      :: cell[(n + 1) % CELLS].low == (n + 1) % LAP -> n++
      :: else
      fi
#endif
    };
    do
    :: n >= WRITES -> break
    :: n < WRITES ->
       n++;
#ifndef NO_REUSE_FENCE
       VISIBLE; /* SYNC reuse */
#endif
#ifdef PUBLISHED_FIRST
       publish();
#endif
       left = LOW + HIGH + FIRST + LAST;
       do
       :: atomic { HAS(LOW) -> cell[n % CELLS].low = n % LAP; left = left - LOW }
       :: atomic { HAS(HIGH) -> cell[n % CELLS].high = n / LAP; left = left - HIGH }
       :: atomic { HAS(FIRST) -> cell[n % CELLS].first = n; left = left - FIRST }
       :: atomic { HAS(LAST) -> cell[n % CELLS].last = n; left = left - LAST }
       :: left == 0 -> break
       od;
#ifndef PUBLISHED_FIRST
       publish()
#endif
    od;
    over = true
  } unless { dying };

  if
  :: over
  :: !over ->
     /* The kernel undoes its role. A successor comes */
     atomic { VISIBLE; n = 0; left = 0; dying = false; role = 0; goto life }
  fi
}

proctype reader() {
  byte v, high, low, first, last, p, left;
  byte began; /* GHOST: the number that is the newest when it looks */
  byte seen;  /* of what it returned last */

  do
  :: seen == WRITES -> break
  :: seen < WRITES ->
     atomic { v = published; began = newest };
     left = LOW + FIRST + LAST;
#ifdef HIGH_IN_COPY
     left = left + HIGH;
#else
     high = cell[v % CELLS].high;
#ifndef HIGH_UNCHECKED
     /* `high` is of this number, and not of one a whole lap later that is being written */
     p = published;
     if
     :: DISTANCE(v, p) > ROOM -> goto again
     :: else
     fi;
#endif
#endif
#ifdef NO_READER_FENCE
     p = published;
#endif
     do
     :: atomic { HAS(LOW) -> low = cell[v % CELLS].low; left = left - LOW }
     :: atomic { HAS(HIGH) -> high = cell[v % CELLS].high; left = left - HIGH }
     :: atomic { HAS(FIRST) -> first = cell[v % CELLS].first; left = left - FIRST }
     :: atomic { HAS(LAST) -> last = cell[v % CELLS].last; left = left - LAST }
     :: left == 0 -> break
     od;
#ifndef NO_READER_FENCE
     atomic {
       p = published;
       /* Nothing that a sound object gives is taken for a corrupt one, but after a whole lap */
       assert(p != v || low == v || newest >= began + LAP)
     };
#endif
     if
#ifdef NO_HIGH
     :: atomic { DISTANCE(v, p) <= ROOM && low == v ->
#else
     :: atomic { DISTANCE(v, p) <= ROOM && low == v && high == cell[v % CELLS].high ->
#endif
          /* Whole, at least as new as what was there when it looked, never older than the one before */
          assert(first == v + LAP * high && last == first);
          assert(first >= began && first >= seen);
          seen = first
        }
     :: else
     fi;
again:
     atomic { v = 0; high = 0; low = 0; first = 0; last = 0; p = 0; left = 0; began = 0 }
  od
}

#if KILLS
proctype killer() {
  do
  :: atomic { kills > 0 && !over -> kills--; dying = true }
  :: kills > 0 -> kills = 0
  :: kills == 0 -> break
  od
}
#endif

/* The store becomes visible at any moment, of the dead too. */
proctype memory() {
end:
  do
  :: atomic {
       buffered -> published = storing % LAP;
       newest = storing;
       buffered = false;
       storing = 0
     }
  od
}

init {
  atomic {
    run writer();
    run reader();
    run memory();
#if KILLS
    run killer();
#endif
  }
}
