/*
 * The latest value of @sysv/shm for C11 and C++17: one writer, any number of readers, always the
 * newest value, never torn. The writer never waits, and no reader can hold it up. The protocol is
 * docs/wire_format.md; this header follows it step by step and uses its words. Header only; it
 * needs shm_latest_layout.h, shm_headed.h, shm_membership.h and shm_sync.h in the same directory.
 * In C, include it before any system header (it requests the GNU interfaces).
 *
 * src/latest/descriptor.ts defines which process writes which word of the segment. In short: the
 * writer writes the cell of the next publication, then `published`; readers write only `waiting`,
 * and those that opened the value read-only write nothing.
 *
 * Happens-before edges
 *   SYNC ready      magic (release) by the creator -> load of it (acquire) by a process that joins
 *   SYNC published  `published` (release) by the writer -> load of it (acquire) by a reader
 *   SYNC reuse      `published` = n, a release fence, then the writer's stores to the cell of n + 1
 *                   -> a reader's loads of that cell, an acquire fence, then its load of
 *                   `published`: a reader that has copied a byte of publication n + 1 sees n or
 *                   more, and so discards what it takes for publication n + 1 - cells
 *   SYNC waiting    not an edge but an order: a reader makes `waiting` odd, then loads `published`;
 *                   the writer stores `published`, then loads `waiting`; all sequentially
 *                   consistent, so at least one of them sees what the other stored
 *   SYNC role       the last writer -> the next one: the kernel's semaphore. A compiler does not
 *                   know what that does, so `opened` is stored with release and loaded with acquire
 *
 * Memory holds untrusted data: other users of the key may be hostile. Every value is copied before
 * it is checked, and nothing of a copy is handed out before it is valid.
 *
 * Several threads may use one ShmLatest; only one at a time may use a writer or a reader, and each
 * thread can have its own reader. A forked child has nothing of what its parent opened: calls with
 * an inherited handle do nothing and return FORKED. A child that needs the value opens it again.
 *
 *   struct ShmLatest latest;
 *   struct ShmLatestOptions options = shm_latest_options(0x5eed0002);
 *   options.size = sizeof(struct Pose);     only to create it; and options.type = POSE_MESSAGE_TYPE
 *   if (shm_latest_open_or_create(&latest, &options, NULL) != SHM_OK)
 *     ...shm_describe(&latest.error, line, sizeof line)...
 *
 *   one process                                        the others
 *   struct ShmLatestWriter writer;                     struct ShmLatestReader reader;
 *   shm_latest_open_writer(&writer, &latest);          shm_latest_open_reader(&reader, &latest);
 *   shm_latest_write(&writer, &pose, sizeof pose);     shm_latest_read(&reader, &pose, sizeof pose,
 *   shm_latest_close_writer(&writer);                                  &value);
 *   shm_latest_leave(&latest);                         or shm_latest_next, which waits for news
 */
#ifndef SYSV_SHM_LATEST_H
#define SYSV_SHM_LATEST_H

#include "shm_headed.h"
#include "shm_latest_layout.h"

/* Start with shm_latest_options(key). */
struct ShmLatestOptions {
  key_t key;
  uint32_t size;    /* bytes of the longest value. 0: as found, or that of `type` */
  uint32_t cells;   /* a power of two from 2 to 4096. 0: as found, or 16; 4 if a cell is large */
  const char *type; /* the struct of the values (its ..._MESSAGE_TYPE). NULL: bytes of any length */
  unsigned mode;    /* permissions of what we create, within 0666 */
  bool persistent;  /* what we create stays when the last peer leaves */
  bool trust;       /* accept an object that another user created or owns */
};

struct ShmLatest {
  struct ShmMembership member; /* member.mode: permissions found, of segment and set together */
  struct ShmLatestOptions options;
  uint32_t cells;
  uint32_t size;               /* bytes of the longest value */
  bool created;                /* we initialised it */
  struct ShmError error;       /* of the last call on `latest` itself that did not return OK */
};

/* What a reader knows about a value. */
struct ShmLatestValue {
  uint64_t version; /* the number of its publication, from 1 */
  uint64_t skipped; /* publications between this one and the one that the reader returned before */
  uint32_t length;
};

struct ShmLatestWriter {
  /* all private: the version is the authority, memory has a copy for other processes */
  struct ShmiProcess process;
  struct ShmLatestWriterLine *words;
  uint32_t *waiting;
  unsigned char *cells;
  size_t stride;
  uint32_t mask;             /* of the number of a cell */
  uint32_t shortest;         /* of a value */
  uint32_t longest;
  uint64_t version;          /* the newest publication; 0: there was none */
  bool begun;                /* a value is being written in place */
  struct ShmLatest *latest;  /* NULL: closed */
  struct ShmError error;     /* of the last call that did not return OK */
};

struct ShmLatestReader {
  struct ShmiProcess process;
  const struct ShmLatestWriterLine *words;
  uint32_t *waiting;
  const unsigned char *cells;
  size_t stride;
  uint32_t mask;
  uint32_t shortest;
  uint32_t longest;
  uint64_t version;          /* of the value returned last; 0: none */
  struct ShmiSpinning spinning;
  struct ShmLatest *latest;  /* NULL: closed */
  struct ShmError error;     /* of the last call that did not return OK or EMPTY */
};

/* ---- sizes ----------------------------------------------------------------------------------- */

SHMH_IS_HEADER(ShmLatestHeader, cells, value_size, reserved);

/* Bytes of a cell: its numbers, the value, and unused bytes up to a line. */
static inline size_t shmli_stride(uint32_t size) {
  return (SHM_LATEST_VALUE_OFFSET + (size_t)size + SHM_LATEST_LINE - 1) / SHM_LATEST_LINE *
         SHM_LATEST_LINE;
}

static inline size_t shmli_size(uint32_t cells, uint32_t size) {
  return SHM_LATEST_CELLS_OFFSET + cells * shmli_stride(size);
}

static inline bool shmli_is_cells(uint32_t cells) {
  return cells >= SHM_LATEST_CELLS_MIN && cells <= SHM_LATEST_CELLS_MAX &&
         (cells & (cells - 1)) == 0;
}

static inline bool shmli_is_size(uint32_t size) {
  return size >= SHM_LATEST_VALUE_SIZE_MIN && size <= SHM_LATEST_VALUE_SIZE_MAX;
}

static inline struct ShmLatestControl *shmli_control(const struct ShmLatest *latest) {
  return (struct ShmLatestControl *)(void *)latest->member.base;
}

/* ---- joining --------------------------------------------------------------------------------- */

static inline struct ShmLatestOptions shm_latest_options(key_t key) {
  struct ShmLatestOptions options;
  memset(&options, 0, sizeof options);
  options.key = key;
  options.mode = 0600;
  return options;
}

/* The header says which of the possible cells and sizes it is. */
static inline bool shmli_fits(int count, size_t size) {
  (void)count;
  if (size <= SHM_LATEST_CELLS_OFFSET) return false;
  const size_t cells = size - SHM_LATEST_CELLS_OFFSET;
  return cells % (SHM_LATEST_CELLS_MIN * SHM_LATEST_LINE) == 0 &&
         cells <= SHM_LATEST_CELLS_MAX * shmli_stride(SHM_LATEST_VALUE_SIZE_MAX);
}

static inline void shmli_plan(struct ShmMembership *member) {
  const uint32_t cells = member->wanted[0];
  const uint32_t size = member->wanted[1];
  const bool large = shmli_stride(size) > SHM_LATEST_LARGE_CELL;
  member->shape[0] = cells != 0 ? cells
                     : large    ? SHM_LATEST_CELLS_DEFAULT_LARGE
                                : SHM_LATEST_CELLS_DEFAULT;
  member->shape[1] = size;
  member->shape[2] = 0;
  member->new_size = shmli_size(member->shape[0], size);
}

static inline enum ShmiStatus shmli_check(struct ShmMembership *member) {
  const uint32_t cells = member->shape[0], size = member->shape[1];
  if (!shmli_is_cells(cells)) {
    return shmh_differs(member, "cells", cells, SHM_LATEST_CELLS_DEFAULT, SHMH_OVERWRITTEN);
  }
  if (!shmli_is_size(size) || shmli_size(cells, size) != member->size) {
    const size_t cell = (member->size - SHM_LATEST_CELLS_OFFSET) / cells;
    return shmh_differs(member, "value_size", size, cell - SHM_LATEST_VALUE_OFFSET,
                        SHMH_OVERWRITTEN);
  }
  if (member->shape[2] != 0) {
    return shmh_differs(member, "reserved", member->shape[2], 0, SHMH_OVERWRITTEN);
  }
  return SHMI_OK;
}

static const struct ShmhKind SHMLI_KIND = {
    {"latest value", "open the latest value", SHM_LATEST_SEMAPHORE_COUNT,
     SHM_LATEST_SEMAPHORE_COUNT, false, shmli_fits, shmh_choose, shmh_prepare},
    "use the latest value",
    "remove the latest value",
    SHM_LATEST_MAGIC,
    SHM_LATEST_VERSION,
    SHM_LATEST_LAYOUT_HASH,
    {"cells", "value_size", "reserved"},
    1,
    shmli_plan,
    shmli_check};

static inline enum ShmStatus shmli_check_options(struct ShmLatest *latest) {
  const uint32_t *const wanted = latest->member.wanted;
  const char *wrong = NULL;
  if (wanted[0] != 0 && !shmli_is_cells(wanted[0])) {
    wrong = "cells is not a power of two from 2 to 4096";
  }
  if (wanted[1] == 0 ? latest->member.create : !shmli_is_size(wanted[1])) {
    wrong = "size is not from 1 to 2^30";
  }
  if (wrong == NULL) return SHM_OK;
  return shmh_fault(&latest->error, &latest->member, SHM_REFUSED, SHMLI_KIND.kind.action, "", "%s",
                    wrong);
}

static inline enum ShmStatus shmli_join(struct ShmLatest *latest,
                                        const struct ShmLatestOptions *options,
                                        enum ShmhOpening opening, const struct ShmWait *wait) {
  struct ShmMembership *const member = &latest->member;
  memset(latest, 0, sizeof *latest);
  latest->options = *options;
  member->set = -1;
  member->persistent = options->persistent;
  member->trust = options->trust;
  member->default_count = SHM_LATEST_SEMAPHORE_COUNT;
  member->wanted[0] = options->cells;
  member->wanted[1] = options->size;
  enum ShmStatus status = shmh_begin(&latest->error, member, &SHMLI_KIND, opening, options->key,
                                     options->mode, options->type);
  if (status == SHM_OK) status = shmli_check_options(latest);
  if (status == SHM_OK) status = shmh_join(&latest->error, member, wait);
  if (status != SHM_OK) return status;
  latest->cells = member->shape[0];
  latest->size = member->shape[1];
  latest->created = member->created;
  return SHM_OK;
}

/*
 * Opens the latest value at the key, or creates it: then options.size or options.type is needed.
 * The wait is for peers that join or leave; without a deadline it lasts SHM_JOIN_MS. Use the handle
 * only in the process that opened it.
 *
 * RETURN VALUE: OK; or as `latest->error` describes: REFUSED, FOREIGN (something else, or another
 * size, number of cells or struct), UNTRUSTED, TIMEOUT, STOPPED, FAILED.
 */
static inline enum ShmStatus shm_latest_open_or_create(struct ShmLatest *latest,
                                                       const struct ShmLatestOptions *options,
                                                       const struct ShmWait *wait) {
  return shmli_join(latest, options, SHMH_OPEN_OR_CREATE, wait);
}

/*
 * Opens the latest value at the key.
 *
 * RETURN VALUE: as shm_latest_open_or_create; ABSENT if there is none.
 */
static inline enum ShmStatus shm_latest_open(struct ShmLatest *latest,
                                             const struct ShmLatestOptions *options,
                                             const struct ShmWait *wait) {
  return shmli_join(latest, options, SHMH_OPEN, wait);
}

/*
 * Opens the latest value at the key for reading: needs no write permission and leaves no trace. It
 * does not keep the value there: when the last process that joined has left, a wait ends with
 * REMOVED.
 *
 * RETURN VALUE: as shm_latest_open.
 */
static inline enum ShmStatus shm_latest_open_read_only(struct ShmLatest *latest,
                                                       const struct ShmLatestOptions *options,
                                                       const struct ShmWait *wait) {
  return shmli_join(latest, options, SHMH_OPEN_READ_ONLY, wait);
}

/*
 * Leaves. Does nothing if it has left already, and in a forked child. Close writer and readers
 * first: their memory is detached too.
 *
 * RETURN VALUE: what happened to the object. The last process that joined removes it, unless it is
 * persistent.
 */
static inline enum ShmLeaveResult shm_latest_leave(struct ShmLatest *latest) {
  return shmh_leave(&latest->member, NULL);
}

/*
 * Removes segment and set even if peers use them: their waits end with REMOVED.
 *
 * RETURN VALUE: OK, FORKED, or FAILED.
 */
static inline enum ShmStatus shm_latest_remove(struct ShmLatest *latest) {
  return shmh_remove(&latest->error, &latest->member);
}

/* Permissions that other users have beyond options.mode, 0 if none. */
static inline unsigned shm_latest_excess(const struct ShmLatest *latest) {
  return latest->member.mode & 0022U & ~latest->options.mode;
}

/* The process that is the writer; 0: none, or outside our pid namespace. */
static inline pid_t shm_latest_writer_pid(const struct ShmLatest *latest) {
  return shmi_holder(latest->member.set, SHM_LATEST_SEM_WRITER, 1);
}

/* ---- writer ---------------------------------------------------------------------------------- */

SHMH_COLD enum ShmStatus shmli_corrupt(struct ShmError *error, const struct ShmLatest *latest,
                                       const char *what, uint64_t there, uint64_t other) {
  return shmh_fault(error, &latest->member, SHM_CORRUPT, SHMLI_KIND.use,
                    "another program wrote into it: remove it and start its programs again",
                    "%s is %llu, which is impossible (with %llu)", what, (unsigned long long)there,
                    (unsigned long long)other);
}

SHMH_HOT struct ShmLatestCell *shmli_cell(const unsigned char *cells, size_t stride,
                                          uint32_t index) {
  return (struct ShmLatestCell *)(void *)(uintptr_t)(cells + index * stride);
}

/* Values are all of one length if they are a struct, here or by the header. */
static inline uint32_t shmli_shortest(const struct ShmLatest *latest) {
  return latest->member.typed ? latest->size : 0;
}

/*
 * Becomes the writer, and goes on after the last publication.
 *
 * RETURN VALUE: OK; or as `writer->error` describes: BUSY (another process is the writer), CORRUPT,
 * REFUSED (opened read-only), REMOVED, FORKED, FAILED.
 */
static inline enum ShmStatus shm_latest_open_writer(struct ShmLatestWriter *writer,
                                                    struct ShmLatest *latest) {
  memset(writer, 0, sizeof *writer);
  const struct ShmMembership *const member = &latest->member;
  enum ShmStatus status = shmh_may_write(&writer->error, member, "become the writer");
  if (status != SHM_OK) return status;
  status = shmh_acquire(&writer->error, member, SHM_LATEST_SEM_WRITER);
  if (status == SHM_BUSY) {
    return shmh_fault(&writer->error, member, status, "become the writer",
                      "stop that one or use another key", "it has a writer already, %s",
                      shmi_process_name(shm_latest_writer_pid(latest)).text);
  }
  if (status != SHM_OK) return status;
  struct ShmLatestWriterLine *const words = &shmli_control(latest)->writer;
  /* SYNC role: all that the last writer wrote comes before what we write */
  const uint32_t opened = __atomic_load_n(&words->opened, __ATOMIC_ACQUIRE);
  const uint32_t published = __atomic_load_n(&words->published, __ATOMIC_SEQ_CST);
  writer->cells = member->base + SHM_LATEST_CELLS_OFFSET;
  writer->stride = shmli_stride(latest->size);
  writer->mask = latest->cells - 1;
  const struct ShmLatestCell *const cell =
      shmli_cell(writer->cells, writer->stride, published & writer->mask);
  const uint32_t low = shmh_peek(&cell->number_low);
  if (low != published) {
    shmi_release(member->set, SHM_LATEST_SEM_WRITER, 1);
    return shmli_corrupt(&writer->error, latest, "the number of the newest cell", low, published);
  }
  writer->version = (uint64_t)shmh_peek(&cell->number_high) << 32 | published;
  writer->process = member->process;
  writer->words = words;
  writer->waiting = &shmli_control(latest)->waiting.waiting;
  writer->shortest = shmli_shortest(latest);
  writer->longest = latest->size;
  writer->latest = latest;
  __atomic_store_n(&words->opened, opened + 1, __ATOMIC_RELEASE); /* SYNC role */
  return SHM_OK;
}

/*
 * Begins a value in place: *place is 16-aligned and has room for `latest->size` bytes, whose
 * contents are those of an old value. To be followed by shm_latest_commit; until then no reader
 * sees anything of it, and after a kill it was never there. The bytes may be written plainly: a
 * reader that was stopped for as many publications as there are cells reads them at the same time,
 * and discards what it read. (A race detector reports that; shm_latest_write uses atomic words.)
 *
 * RETURN VALUE: OK; or as `writer->error` describes: CORRUPT, FORKED.
 */
SHMH_HOT enum ShmStatus shm_latest_begin(struct ShmLatestWriter *writer, void **place) {
  *place = NULL;
  if (SHMH_UNLIKELY(!shmi_opened_here(&writer->process))) {
    return shmh_forked(&writer->error, &writer->latest->member);
  }
  const uint32_t published = __atomic_load_n(&writer->words->published, __ATOMIC_SEQ_CST);
  if (SHMH_UNLIKELY(published != (uint32_t)writer->version)) {
    return shmli_corrupt(&writer->error, writer->latest, "`published`", published,
                         writer->version);
  }
  /* SYNC reuse: the last store of `published` comes before all stores to the cell */
  shmh_fence_before_writing();
  const uint64_t next = writer->version + 1;
  struct ShmLatestCell *const cell =
      shmli_cell(writer->cells, writer->stride, (uint32_t)next & writer->mask);
  shmh_note(&cell->number_low, (uint32_t)next);
  shmh_note(&cell->number_high, (uint32_t)(next >> 32));
  writer->begun = true;
  *place = (unsigned char *)cell + SHM_LATEST_VALUE_OFFSET;
  return SHM_OK;
}

SHMH_COLD enum ShmStatus shmli_refused(struct ShmLatestWriter *writer, size_t length) {
  const struct ShmLatest *const latest = writer->latest;
  if (writer->shortest == writer->longest) {
    return shmh_fault(&writer->error, &latest->member, SHM_REFUSED, "write the value", "",
                      "it has %llu bytes, and the struct of this latest value has %lu",
                      (unsigned long long)length, (unsigned long)latest->size);
  }
  return shmh_fault(&writer->error, &latest->member, SHM_REFUSED, "write the value",
                    "create the latest value with a larger size",
                    "it has %llu bytes, and the limit is %lu", (unsigned long long)length,
                    (unsigned long)latest->size);
}

/*
 * Publishes the value of `length` bytes that was written in place: one store makes it the newest.
 * Its version is writer->version.
 *
 * RETURN VALUE: OK; or as `writer->error` describes: REFUSED (the length, or nothing was begun),
 * FORKED.
 */
SHMH_HOT enum ShmStatus shm_latest_commit(struct ShmLatestWriter *writer, size_t length) {
  if (SHMH_UNLIKELY(!shmi_opened_here(&writer->process))) {
    return shmh_forked(&writer->error, &writer->latest->member);
  }
  if (SHMH_UNLIKELY(length - writer->shortest > writer->longest - writer->shortest)) {
    return shmli_refused(writer, length);
  }
  if (SHMH_UNLIKELY(!writer->begun)) {
    return shmh_fault(&writer->error, &writer->latest->member, SHM_REFUSED, "publish the value",
                      "call shm_latest_begin first", "no value was begun");
  }
  const uint32_t next = (uint32_t)++writer->version;
  struct ShmLatestCell *const cell =
      shmli_cell(writer->cells, writer->stride, next & writer->mask);
  shmh_note(&cell->length, (uint32_t)length);
  writer->begun = false;
  /* SYNC published: all of the cell comes before it. SYNC waiting: the load comes after it */
  __atomic_store_n(&writer->words->published, next, __ATOMIC_SEQ_CST);
  shmh_notify(writer->waiting);
  return SHM_OK;
}

/*
 * Writes a value and publishes it. Never waits. Its version is writer->version.
 *
 * RETURN VALUE: OK; or as `writer->error` describes: REFUSED (the length), CORRUPT, FORKED.
 */
SHMH_HOT enum ShmStatus shm_latest_write(struct ShmLatestWriter *writer, const void *bytes,
                                         size_t length) {
  void *place;
  if (SHMH_UNLIKELY(length - writer->shortest > writer->longest - writer->shortest)) {
    return shmli_refused(writer, length);
  }
  const enum ShmStatus status = shm_latest_begin(writer, &place);
  if (SHMH_UNLIKELY(status != SHM_OK)) return status;
  shmh_copy_in((unsigned char *)place, bytes, length);
  return shm_latest_commit(writer, length);
}

/* Releases the role; what was only begun is not published. Does nothing if closed or in a child. */
static inline void shm_latest_close_writer(struct ShmLatestWriter *writer) {
  if (writer->latest == NULL || !shmi_opened_here(&writer->process)) return;
  uint32_t *const opened = &writer->words->opened;
  __atomic_store_n(opened, shmh_peek(opened), __ATOMIC_RELEASE); /* SYNC role */
  shmi_release(writer->latest->member.set, SHM_LATEST_SEM_WRITER, 1);
  writer->latest = NULL;
}

/* ---- reader ---------------------------------------------------------------------------------- */

/*
 * Opens a reader. Any number of them, in any process; a reader holds nothing that others see.
 *
 * RETURN VALUE: OK, or FORKED.
 */
static inline enum ShmStatus shm_latest_open_reader(struct ShmLatestReader *reader,
                                                    struct ShmLatest *latest) {
  memset(reader, 0, sizeof *reader);
  const struct ShmMembership *const member = &latest->member;
  if (!shmi_opened_here(&member->process)) return shmh_forked(&reader->error, member);
  reader->process = member->process;
  reader->words = &shmli_control(latest)->writer;
  reader->waiting = &shmli_control(latest)->waiting.waiting;
  reader->cells = member->base + SHM_LATEST_CELLS_OFFSET;
  reader->stride = shmli_stride(latest->size);
  reader->mask = latest->cells - 1;
  reader->shortest = shmli_shortest(latest);
  reader->longest = latest->size;
  reader->latest = latest;
  return SHM_OK;
}

/* Closes a reader. */
static inline void shm_latest_close_reader(struct ShmLatestReader *reader) {
  reader->latest = NULL;
}

/*
 * An attempt fails only if cells - 1 publications began during one copy. So many failures mean that
 * the writer publishes faster than this process can copy at all.
 */
#define SHMLI_ATTEMPTS 1000

/*
 * One attempt to copy the newest value. OK; EMPTY: nothing was written yet; BUSY: the writer
 * overtook the copy, or (*length) it would be longer than `size`; CORRUPT: the cell is not that of
 * the newest publication.
 */
SHMH_HOT enum ShmStatus shmli_try_read(const struct ShmLatestReader *reader, void *buffer,
                                       size_t size, uint64_t *version, uint32_t *length) {
  const struct ShmLatestWriterLine *const words = reader->words;
  /* SYNC published */
  const uint32_t published = __atomic_load_n(&words->published, __ATOMIC_ACQUIRE);
  const struct ShmLatestCell *const cell =
      shmli_cell(reader->cells, reader->stride, published & reader->mask);
  /* before the copy, and of this publication: a stop for 2^32 publications must be noticed */
  const uint32_t high = __atomic_load_n(&cell->number_high, __ATOMIC_ACQUIRE);
  /* not cells - 1: the writer may be at work on the next one, which is in this cell then */
  const uint32_t most = reader->mask - 1;
  const uint32_t soon = __atomic_load_n(&words->published, __ATOMIC_ACQUIRE);
  if (SHMH_UNLIKELY(soon - published > most)) return SHM_BUSY;
  const uint32_t low = shmh_peek(&cell->number_low);
  *length = shmh_peek(&cell->length);
  const bool possible = *length - reader->shortest <= reader->longest - reader->shortest;
  if (SHMH_LIKELY(possible && *length <= size)) {
    shmh_copy_out(buffer, (const unsigned char *)cell + SHM_LATEST_VALUE_OFFSET, *length);
  }
  /* SYNC reuse: the loads of the cell come before the load of `published` */
  shmh_fence_after_copy();
  const uint32_t now = __atomic_load_n(&words->published, __ATOMIC_ACQUIRE);
  const bool same = __atomic_load_n(&cell->number_high, __ATOMIC_RELAXED) == high;
  *version = (uint64_t)high << 32 | published;
  if (SHMH_LIKELY(now - published <= most && low == published && same)) {
    if (*version == 0) return SHM_EMPTY;
    if (SHMH_LIKELY(possible)) return SHM_OK;
  }
  return now == published && same ? SHM_CORRUPT : SHM_BUSY;
}

SHMH_COLD enum ShmStatus shmli_overtaken(struct ShmLatestReader *reader) {
  return shmh_fault(&reader->error, &reader->latest->member, SHM_BUSY, "read the value",
                    "create the latest value with more cells",
                    "the writer overtook each of %d attempts", SHMLI_ATTEMPTS);
}

/*
 * Copies the newest value into the buffer of `size` bytes, and says which it is. Makes no system
 * call, and repeats while the writer overtakes it: cells - 1 publications must begin during one
 * copy for that.
 *
 * RETURN VALUE: OK; EMPTY if nothing was written yet; or as `reader->error` describes: REFUSED (the
 * value is longer than the buffer, value->length bytes), CORRUPT, BUSY (a thousand attempts were
 * overtaken), FORKED.
 */
SHMH_HOT enum ShmStatus shm_latest_read(struct ShmLatestReader *reader, void *buffer, size_t size,
                                        struct ShmLatestValue *value) {
  uint64_t version = 0;
  uint32_t length = 0;
  enum ShmStatus status = SHM_BUSY;
  memset(value, 0, sizeof *value);
  if (SHMH_UNLIKELY(!shmi_opened_here(&reader->process))) {
    return shmh_forked(&reader->error, &reader->latest->member);
  }
  for (int attempt = 0; status == SHM_BUSY; attempt++) {
    if (SHMH_UNLIKELY(attempt == SHMLI_ATTEMPTS)) return shmli_overtaken(reader);
    status = shmli_try_read(reader, buffer, size, &version, &length);
  }
  if (SHMH_UNLIKELY(status == SHM_EMPTY)) return status;
  if (SHMH_UNLIKELY(status != SHM_OK)) {
    return shmli_corrupt(&reader->error, reader->latest, "the cell of the newest value", version,
                         length);
  }
  value->version = version;
  value->length = length;
  if (SHMH_UNLIKELY(length > size)) {
    return shmh_fault(&reader->error, &reader->latest->member, SHM_REFUSED, "read the value",
                      "no value is longer than latest.size",
                      "it has %lu bytes and there is room for %llu", (unsigned long)length,
                      (unsigned long long)size);
  }
  /* a version that goes back is untrusted data: nothing was skipped */
  if (reader->version != 0 && version > reader->version) {
    value->skipped = version - reader->version - 1;
  }
  reader->version = version;
  return SHM_OK;
}

/* Whether there is another value than the one returned last. */
static inline bool shmli_has_news(const void *argument) {
  const struct ShmLatestReader *const reader = (const struct ShmLatestReader *)argument;
  /* sequentially consistent, for the sleeper's half of SYNC waiting */
  const uint32_t published = __atomic_load_n(&reader->words->published, __ATOMIC_SEQ_CST);
  if (reader->version != 0 || published != 0) return published != (uint32_t)reader->version;
  /* 0 is also the low half of publication 2^32 */
  return shmh_peek(&shmli_cell(reader->cells, reader->stride, 0)->number_high) != 0;
}

/*
 * Waits until there is a newer value than the one returned last; if none was, until there is one.
 *
 * RETURN VALUE: OK; or as `reader->error` describes: TIMEOUT, STOPPED, REMOVED, FORKED.
 */
static inline enum ShmStatus shm_latest_wait(struct ShmLatestReader *reader,
                                             const struct ShmWait *wait) {
  if (!shmi_opened_here(&reader->process)) {
    return shmh_forked(&reader->error, &reader->latest->member);
  }
  return shmh_await_news(&reader->error, &reader->latest->member, reader->waiting,
                         &reader->spinning, shmli_has_news, reader, wait);
}

/*
 * Waits for a value newer than the one returned last, and copies the newest: a slow reader skips
 * values, and value->skipped says how many.
 *
 * RETURN VALUE: OK, or as shm_latest_wait and shm_latest_read.
 */
static inline enum ShmStatus shm_latest_next(struct ShmLatestReader *reader, void *buffer,
                                             size_t size, struct ShmLatestValue *value,
                                             const struct ShmWait *wait) {
  const uint64_t before = reader->version;
  memset(value, 0, sizeof *value);
  for (;;) {
    enum ShmStatus status = shm_latest_wait(reader, wait);
    if (status != SHM_OK) return status;
    status = shm_latest_read(reader, buffer, size, value);
    const bool taken_back = status == SHM_OK && value->version == before;
    if (status != SHM_EMPTY && !taken_back) return status;
    /* a number that was taken back is untrusted data: it must not keep us here */
    if (shmh_should_stop(wait)) return shmh_stopped(&reader->error, &reader->latest->member);
    if (shm_now() >= shmh_deadline(wait)) {
      return shmh_expired(&reader->error, &reader->latest->member);
    }
  }
}

#endif
