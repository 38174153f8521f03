/*
 * Topic of docs/wire_format.md: one lane, its publisher that is killed and followed, a subscriber that
 * copies, checks, is overrun, and starts anew with the history. Lanes are independent of each other but
 * for sleeping and waking, which are in waiting.pml.
 *
 * One statement of a process is one step of the machine, as in channel.pml. Plain stores and plain
 * loads happen in any order, but for the fences. A store of `intent` or `tail` may become visible after
 * plain stores that follow it, as on ARMv8.
 *
 * A ring has C words of 16 bytes; positions count words, modulo POSITIONS (2^32 bytes in truth). A record
 * is a header, or a header and one word of payload. The number of the message is in both.
 *
 * The experiment (-D):
 *   POSITIONS   4 C or more
 *   MESSAGES    that are published. With more than POSITIONS / 2 of them positions come again
 *   SMALLEST    words of the smallest record, 1 or 2. With 1 there are padding records
 *   KILLS       so many times the publisher is killed, at any step, and a successor comes. A subscriber
 *               writes nothing: a new one is one that begins late
 *   AHEAD       so many words more than needed are announced, so that not each message announces
 *
 * Broken on purpose (-D): every name in an #ifdef below that is not above. README.md explains them.
 */

#ifndef KILLS
#define KILLS 0
#endif
#ifndef AHEAD
#define AHEAD 0
#endif

#define C 4
#define DISTANCE(from, to) (((to) + POSITIONS - (from)) % POSITIONS)

/* What a word of a ring holds: of which message, which part of it, and how far it is to the record before. */
#define WORD(number, part, back) ((number) * 16 + (part) * 4 + (back))
#define NUMBER_IN(word) ((word) / 16)
#define PART_IN(word) ((word) / 4 % 4)
#define BACK_IN(word) ((word) % 4)
#define SHORT 0   /* the header of a record of one word */
#define LONG 1    /* the header of a record of two */
#define PAYLOAD 2
#define PADDING 3

typedef LaneState {
  byte tail;
  byte last;
  byte count;
  byte high /* how often tail has passed POSITIONS */
}

#define INTENT 0
#define TAIL 1
byte word[2];
LaneState state[2];
byte ring[C];
byte lane; /* its semaphore: 0 or 1 */

/* The store of a word that no subscriber sees yet. */
bool buffered;
byte place;
byte value;
#define VISIBLE !buffered

bool dying;
bool over;
byte kills = KILLS;

inline store(w, v) {
  atomic { VISIBLE -> place = w; value = v; buffered = true }
}

/* Of the two states the one of this tail; the first if both are. */
#ifdef NEWEST_STATE
#define STATE_OF(t) (state[0].count > state[1].count -> 0 : 1)
#else
#define STATE_OF(t) (state[0].tail == (t) -> 0 : 1)
#endif

#define PAD 1
#define HEADER 2
#define BODY 4
#define STATE_TAIL 8
#define STATE_LAST 16
#define STATE_COUNT 32
#define STATE_HIGH 64
#define HAS(part) ((left / part) % 2 == 1)

inline announce() {
  if
#ifndef INTENT_LOWERED
  :: DISTANCE(end, word[INTENT]) < POSITIONS / 2
#endif
  :: else ->
     store(INTENT, (end + AHEAD) % POSITIONS);
#ifndef NO_OVERWRITE_FENCE
     VISIBLE /* SYNC overwrite */
#endif
  fi
}

inline write_record() {
  left = HEADER + (padding -> PAD : 0) + (size == 2 -> BODY : 0);
  do
  :: atomic { HAS(PAD) -> ring[t % C] = WORD(0, PADDING, 3); left = left - PAD }
  :: atomic {
       HAS(HEADER) ->
       ring[(t + padding) % C] = WORD(count + 1, (size == 2 -> LONG : SHORT), back);
       left = left - HEADER
     }
  :: atomic { HAS(BODY) -> ring[(t + padding + 1) % C] = WORD(count + 1, PAYLOAD, 1); left = left - BODY }
  :: left == 0 -> break
  od
}

inline write_state() {
  left = STATE_TAIL + STATE_LAST + STATE_COUNT + STATE_HIGH;
  do
  :: atomic { HAS(STATE_TAIL) -> state[other].tail = end; left = left - STATE_TAIL }
  :: atomic { HAS(STATE_LAST) -> state[other].last = (t + padding) % POSITIONS; left = left - STATE_LAST }
  :: atomic { HAS(STATE_COUNT) -> state[other].count = count + 1; left = left - STATE_COUNT }
  :: atomic { HAS(STATE_HIGH) -> state[other].high = high + (end < t); left = left - STATE_HIGH }
  :: left == 0 -> break
  od
}

proctype publisher() {
  byte t, high, last, count, other, size, padding, back, end, left;

life:
  {
    atomic {
      lane == 0 -> lane = 1;
      t = word[TAIL];
      other = STATE_OF(t);
      last = state[other].last;
      count = state[other].count;
      high = state[other].high;
      other = 1 - other
    };
    do
    :: count >= MESSAGES -> break
    :: count < MESSAGES ->
       if
#if SMALLEST == 1
       :: atomic { true -> size = 1; padding = 0 }
#endif
       :: atomic { true -> size = 2; padding = (t % C == C - 1 -> 1 : 0) }
       fi;
       atomic {
         end = (t + padding + size) % POSITIONS;
         back = (count == 0 -> 0 : DISTANCE(last, t + padding))
       };
#ifdef TAIL_FIRST
       announce();
       VISIBLE;
       write_state();
       store(TAIL, end);
       write_record();
#else
#ifndef INTENT_AFTER
       announce();
#endif
       write_record();
#ifdef INTENT_AFTER
       announce();
       VISIBLE;
#endif
       write_state();
       store(TAIL, end); /* SYNC tail */
#endif
#ifndef NO_TAIL_FENCE
       VISIBLE; /* the load of `waiting` behind it is sequentially consistent, too */
#endif
       atomic {
         last = (t + padding) % POSITIONS;
         high = high + (end < t);
         t = end;
         count++;
         other = 1 - other;
         size = 0; padding = 0; back = 0; end = 0
       }
    od;
    over = true
  } unless { dying };

  if
  :: over
  :: !over ->
     /* The kernel undoes its claim. A successor comes */
     atomic {
       VISIBLE;
       t = 0; high = 0; last = 0; count = 0; other = 0; size = 0; padding = 0; back = 0; end = 0; left = 0;
       dying = false;
       lane = 0;
       goto life
     }
  fi
}

/* The whole position of the tail: `high` is of this tail, if the tail is the same before and after. */
inline load_tail() {
  do
  :: t = word[TAIL];
     k = STATE_OF(t);
     if
     :: state[k].tail != t
     :: state[k].tail == t ->
        high = state[k].high;
        if
        :: word[TAIL] != t
        :: word[TAIL] == t -> break
        fi
     fi
  od;
  t = t + POSITIONS * high
}

/* The number of the newest record, and where it is, as the lane's state says it for this tail. */
inline load_newest() {
  do
  :: load_tail();
     m = state[k].count;
     q = state[k].last;
#ifdef STATE_UNCHECKED
     break
#else
     if
     :: word[TAIL] == t % POSITIONS ->
        if
        :: state[k].high == high -> break
        :: else
        fi
     :: else
     fi
#endif
  od;
  q = t - DISTANCE(q, t % POSITIONS)
}

/* After the copy, and the fence behind it: what was at `from` was whole, if `valid`. */
inline check(from) {
#ifndef VALID_BY_TAIL
  valid = DISTANCE(from % POSITIONS, word[INTENT]) <= C;
#else
  valid = true;
#endif
#ifndef NO_TAIL_HIGH
  if
  :: valid -> load_tail(); valid = t - from <= C
  :: else
  fi;
#endif
  atomic { t = 0; k = 0; high = 0 }
}

proctype subscriber() {
  byte s, n; /* the whole position where it goes on, and with which number */
  byte t, k, high, q, m, left;
  byte copy[2];
  bool valid;

  n = 1;

walk: /* From the newest record back, as far as records are whole. Never before the one it expects */
  load_newest();
  atomic { assert(m + 1 >= n); s = t; t = 0; k = 0; high = 0 };
  do
  :: m < n -> break
  :: m >= n ->
     copy[0] = ring[q % C];
#ifdef WALK_UNCHECKED
     valid = s - q <= C;
#else
     check(q);
#endif
     if
     :: !valid -> break
     :: valid ->
        atomic {
          assert(NUMBER_IN(copy[0]) == m && PART_IN(copy[0]) <= LONG);
          s = q;
          q = q - BACK_IN(copy[0]);
          m--
        }
     fi
  od;
  /* missed = m + 1 - n, and it goes on with m + 1 */
  atomic { n = m + 1; q = 0; m = 0; copy[0] = 0; valid = false };

receive:
  t = word[TAIL];
  if
  :: t == s % POSITIONS ->
     load_tail();
     if
     :: t != s -> goto walk
     :: t == s && n == MESSAGES + 1 -> goto done
     :: t == s && n <= MESSAGES -> atomic { t = 0; k = 0; high = 0; goto receive }
     fi
  :: DISTANCE(s % POSITIONS, t) > C -> goto walk
  :: t != s % POSITIONS && DISTANCE(s % POSITIONS, t) <= C
  fi;
  left = (DISTANCE(s % POSITIONS, t) > 1 && s % C < C - 1 -> 3 : 1);
  do
  :: atomic { left % 2 == 1 -> copy[0] = ring[s % C]; left = left - 1 }
  :: atomic { left / 2 == 1 -> copy[1] = ring[(s + 1) % C]; left = left - 2 }
  :: left == 0 -> break
  od;
  check(s);
  if
  :: !valid -> copy[0] = 0; copy[1] = 0; goto walk
  :: valid && PART_IN(copy[0]) == PADDING ->
     atomic {
       s = s + C - s % C;
       copy[0] = 0; copy[1] = 0; valid = false;
       goto receive
     }
  :: else
  fi;
  /* Whole, and the one it expects: so what it counts as missed is exact */
  atomic {
    assert(NUMBER_IN(copy[0]) == n && PART_IN(copy[0]) <= LONG);
    assert(PART_IN(copy[0]) == SHORT || NUMBER_IN(copy[1]) == n && PART_IN(copy[1]) == PAYLOAD);
    s = s + 1 + PART_IN(copy[0]);
    n++;
    copy[0] = 0; copy[1] = 0; valid = false;
    goto receive
  };

done:
  skip
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
       buffered -> word[place] = value;
       buffered = false;
       place = 0;
       value = 0
     }
  od
}

init {
  atomic {
    run publisher();
    run subscriber();
    run memory();
#if KILLS
    run killer();
#endif
  }
}
