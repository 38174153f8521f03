/* The mailbox in C: the twin of mailbox.ts, see there. */
#include "../../c/common.h"

#include "peer.h"

static void check(enum ShmMailboxStatus status, const struct ShmMailbox *box) {
  char line[512];
  if (status == SHM_MAILBOX_OK) return;
  shm_describe(&box->error, line, sizeof line);
  fprintf(stderr, "%s\n", line);
  exit(1);
}

static void arrive(struct ShmMailbox *box, const struct Part *part) {
  const struct ShmMailboxOptions options = {(key_t)atol(part->address), 0600, false, false};
  check(shm_mailbox_join(box, &options, NULL), box);
}

static void take(struct ShmMailbox *box) {
  static char text[SHM_MAILBOX_TEXT_SIZE + 1];
  size_t length;
  check(shm_mailbox_receive(box, text, &length, NULL, NULL), box);
  shm_mailbox_ack(box);
}

static void give(struct ShmMailbox *box, long i, size_t size) {
  static char text[SHM_MAILBOX_TEXT_SIZE];
  enum ShmMailboxOutcome outcome;
  numbered_text(text, i, size);
  check(shm_mailbox_send(box, text, size, true, NULL, &outcome), box);
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  static struct ShmMailbox box;
  arrive(&box, &part);
  if (strcmp(part.role, "ping") == 0) {
    give(&box, 0, part.size);
    struct RoundTrips trips = trips_begin(&part);
    for (long i = 1; trips_open(&trips, &part); i++) {
      trips_pause(&trips, &part);
      give(&box, i, part.size);
      trips_done(&trips);
    }
    trips_end(&trips, &part);
  } else if (strcmp(part.role, "pong") == 0) {
    const struct Meter meter = meter_begin();
    check(shm_mailbox_acquire_server(&box), &box);
    for (long left = 1 + part.warm + part.count; left > 0; left--) take(&box);
    meter_end(&meter, "pong", part.count);
  } else {
    return 2;
  }
  shm_mailbox_leave(&box);
  return 0;
}
