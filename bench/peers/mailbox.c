/* The mailbox in C: the twin of mailbox.ts, see there. */
#include "../../c/common.h"

#include "peer.h"

static void check(enum ShmMailboxStatus status, const struct ShmMailbox *box) {
  char line[512];
  if (status == SHM_MAILBOX_OK) return;
  shm_mailbox_describe(&box->error, line, sizeof line);
  fprintf(stderr, "%s\n", line);
  exit(1);
}

static void arrive(struct ShmMailbox *box, const struct Part *part) {
  const struct ShmMailboxOptions options = {(key_t)atol(part->address), 0600, false, false};
  check(shm_mailbox_arrive(box, &options, NULL), box);
}

static void take(struct ShmMailbox *box) {
  static char text[SHM_MAILBOX_TEXT_SIZE + 1];
  size_t length;
  pid_t sender;
  check(shm_mailbox_receive(box, text, &length, &sender, NULL), box);
  shm_mailbox_ack(box);
}

static void give(struct ShmMailbox *box, const char *text, size_t size) {
  enum ShmMailboxOutcome outcome;
  check(shm_mailbox_send(box, text, size, true, NULL, &outcome), box);
}

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  static struct ShmMailbox box;
  static char text[SHM_MAILBOX_TEXT_SIZE];
  memset(text, 'x', part.size);
  arrive(&box, &part);
  if (strcmp(part.role, "recv") == 0) {
    struct Arrivals arrivals = {{0, 0}, 0, 0, false};
    check(shm_mailbox_claim_server(&box), &box);
    while (arrivals_open(&arrivals, &part)) {
      take(&box);
      arrivals_add(&arrivals, &part, 1);
    }
  } else if (strcmp(part.role, "send") == 0) {
    for (long left = part.warm; left > 0; left--) give(&box, text, part.size);
    const struct Meter meter = meter_begin();
    for (long left = part.count; left > 0; left--) give(&box, text, part.size);
    meter_end(&meter, "send", part.count);
  } else if (strcmp(part.role, "ping") == 0) {
    give(&box, text, part.size);
    struct RoundTrips trips = trips_begin(&part);
    while (trips_open(&trips, &part)) {
      trips_pause(&trips, &part);
      give(&box, text, part.size);
      trips_done(&trips);
    }
    trips_end(&trips, &part);
  } else if (strcmp(part.role, "pong") == 0) {
    const struct Meter meter = meter_begin();
    check(shm_mailbox_claim_server(&box), &box);
    for (long left = 1 + part.warm + part.count; left > 0; left--) take(&box);
    meter_end(&meter, "pong", part.count);
  } else {
    return 2;
  }
  shm_mailbox_leave(&box);
  return 0;
}
