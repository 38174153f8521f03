/*
 * A latest value with hostile memory: a writer, a reader and an intruder that overwrites random
 * words, in one process. sanitizers_test.ts builds it with AddressSanitizer and
 * UndefinedBehaviorSanitizer.
 *
 *   fuzz KEY SEED CORRUPTIONS
 *
 * The memory is of malloc, of exactly the segment's size, so that AddressSanitizer sees each access
 * outside. Every status must be one of those that can come, with an error of one line; every wait
 * is back in time. stdout: "values=N errors=N". Exit code 0; 1 with a line on stderr; 3: no
 * progress.
 */
#include "shm_latest.h"

#define SIZE 100
/* A safety net, in seconds. */
#define NET 60

static struct ShmLatest latest;
static uint64_t state, values, errors;

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *what, ...) {
  va_list arguments;
  va_start(arguments, what);
  fputs("fuzz: ", stderr);
  vfprintf(stderr, what, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  _exit(1);
}

static void on_alarm(int number) {
  (void)number;
  _exit(3);
}

static uint32_t chance(uint32_t below) {
  state += 0x9e3779b97f4a7c15U;
  uint64_t x = state;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27) * 0x94d049bb133111ebU;
  return (uint32_t)((x >> 32) % below);
}

/* Overwrites one word: one with a meaning, mostly. */
static void corrupt(void) {
  const uint32_t interesting[] = {0, 1, 2, 3, 99, 100, 101, 0x7fffffff, 0x80000000U, 0xffffffffU};
  const size_t stride = shmli_stride(SIZE);
  size_t at = 4 * (size_t)chance((uint32_t)(latest.member.size / 4));
  if (chance(4) != 0) {
    const size_t cell = SHM_LATEST_CELLS_OFFSET + chance(latest.cells) * stride;
    at = chance(3) == 0 ? offsetof(struct ShmLatestControl, writer) + 4 * chance(2)
                        : cell + 4 * chance(4);
  }
  uint32_t *const word = (uint32_t *)(void *)(latest.member.base + at);
  const uint32_t value = chance(2) == 0   ? interesting[chance(10)]
                         : chance(2) == 0 ? shmh_peek(word) + chance(5) - 2
                                          : chance(65536) << 16 | chance(65536);
  shmh_note(word, value);
}

/* The status must be one of these, and the error one line. */
static void judge(enum ShmStatus status, const struct ShmError *error, unsigned possible) {
  char line[800];
  if ((possible >> status & 1) == 0) die("status %d", (int)status);
  if (status == SHM_OK || status == SHM_EMPTY) return;
  errors++;
  shm_describe(error, line, sizeof line);
  if (strncmp(line, "cannot ", 7) != 0 || strchr(line, '\n') != NULL) die("not an error: %s", line);
}

#define CAN(status) (1U << (status))

int main(int count, char **arguments) {
  if (count != 4) return 2;
  struct ShmLatestOptions options = shm_latest_options((key_t)strtoul(arguments[1], NULL, 0));
  state = strtoull(arguments[2], NULL, 0);
  const uint64_t corruptions = strtoull(arguments[3], NULL, 0);
  signal(SIGALRM, on_alarm);
  alarm(NET);
  options.size = SIZE;
  options.cells = 4;
  if (shm_latest_open_or_create(&latest, &options, NULL) != SHM_OK) die("%s", latest.error.what);
  unsigned char *const segment = latest.member.base;
  void *memory;
  if (posix_memalign(&memory, SHM_LATEST_LINE, latest.member.size) != 0) die("no memory");
  for (uint64_t done = 0; done < corruptions;) {
    memcpy(memory, segment, latest.member.size);
    latest.member.base = (unsigned char *)memory;
    struct ShmLatestWriter writer;
    struct ShmLatestReader reader;
    struct ShmLatestValue value;
    bool writing = shm_latest_open_writer(&writer, &latest) == SHM_OK;
    shm_latest_open_reader(&reader, &latest);
    for (uint32_t step = 0; step < 200; step++) {
      /* exactly the size of the longest value: one byte more is seen */
      unsigned char *const bytes = (unsigned char *)calloc(1, SIZE);
      const struct ShmWait soon = shm_within(0);
      enum ShmStatus status;
      void *place;
      switch (chance(7)) {
        case 0:
        case 1:
          if (writing) {
            judge(shm_latest_write(&writer, bytes, chance(SIZE + 1)), &writer.error,
                  CAN(SHM_OK) | CAN(SHM_CORRUPT));
          }
          break;
        case 2:
          if (writing && shm_latest_begin(&writer, &place) == SHM_OK) {
            memset(place, 1, SIZE);
            judge(shm_latest_commit(&writer, SIZE), &writer.error, CAN(SHM_OK));
          }
          break;
        case 3:
          if (writing) shm_latest_close_writer(&writer);
          status = shm_latest_open_writer(&writer, &latest);
          judge(status, &writer.error, CAN(SHM_OK) | CAN(SHM_CORRUPT));
          writing = status == SHM_OK;
          break;
        case 4:
          status = shm_latest_next(&reader, bytes, SIZE, &value, &soon);
          judge(status, &reader.error,
                CAN(SHM_OK) | CAN(SHM_TIMEOUT) | CAN(SHM_CORRUPT) | CAN(SHM_BUSY));
          if (status == SHM_OK && (value.length > SIZE || value.version == 0)) die("no value");
          break;
        case 5:
          status = shm_latest_read(&reader, bytes, SIZE, &value);
          judge(status, &reader.error,
                CAN(SHM_OK) | CAN(SHM_EMPTY) | CAN(SHM_CORRUPT) | CAN(SHM_BUSY));
          if (status == SHM_OK && value.length > SIZE) die("a length of %u", value.length);
          values += status == SHM_OK;
          break;
        default:
          corrupt();
          done++;
      }
      free(bytes);
    }
    if (writing) shm_latest_close_writer(&writer);
    latest.member.base = segment;
  }
  free(memory);
  if (shm_latest_leave(&latest) != SHM_WAS_REMOVED) die("it stayed");
  printf("values=%llu errors=%llu\n", (unsigned long long)values, (unsigned long long)errors);
  return 0;
}
