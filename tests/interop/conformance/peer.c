/* The peer of the conformance suite in C. line_peer.ts says what it reads and answers. */
#define _GNU_SOURCE
#include "shm_sync.h"

/* With -DSHM_SLICE_MS=slice_ms the verb `slice` has an effect: a peer that sleeps for ever shows that
 * it is woken. */
static long slice_ms = 100;
#ifdef SHM_SLICE_MS
#undef SHMI_SLICE_NS
#define SHMI_SLICE_NS (SHM_SLICE_MS * INT64_C(1000000))
#endif

#include "common.h"
#include "shm_channel.h"
#include "shm_latest.h"
#include "shm_topic.h"

#include <stdlib.h>

#define HANDLES 16
#define LONGEST (1 << 20)

enum Role { CLIENT, SERVER, PRODUCER, CONSUMER, WRITER, READER, PUBLISHER, SUBSCRIBER, ROLES };

static const char *const role_names[ROLES] = {"client", "server", "producer",  "consumer",
                                              "writer", "reader", "publisher", "subscriber"};

static struct Handle {
  enum Role role;
  bool until_closed;
  struct ShmMailbox mailbox;
  struct ShmChannel channel;
  struct ShmChannelProducer producer;
  struct ShmChannelConsumer consumer;
  struct ShmLatest latest;
  struct ShmLatestWriter writer;
  struct ShmLatestReader reader;
  struct ShmTopic topic;
  struct ShmTopicPublisher publisher;
  struct ShmTopicSubscriber subscriber;
} handles[HANDLES];

static FILE *answer;
static char failure[900]; /* what the answer says instead of `ok`, if it is not empty */
static unsigned char bytes[LONGEST];

/* Whether a call failed; then the answer says how. */
static bool failed(int status, const struct ShmError *error) {
  if (status != 0) shm_describe(error, failure, sizeof failure);
  return status != 0;
}

static void refuse(const char *what) { snprintf(failure, sizeof failure, "%s", what); }

/* ---- words ----------------------------------------------------------------------------------- */

static char *next_word(void) {
  char *const word = strtok(NULL, " ");
  return word != NULL ? word : (char *)(uintptr_t) "";
}

static uint32_t next_number(void) { return (uint32_t)strtoul(next_word(), NULL, 10); }

/* The bytes of a payload, and their number. */
static uint32_t decode(const char *word) {
  uint32_t length = 0;
  if (*word == '-') return 0;
  for (; word[0] != '\0' && word[1] != '\0' && length < LONGEST; word += 2) {
    const char digits[3] = {word[0], word[1], '\0'};
    bytes[length++] = (unsigned char)strtoul(digits, NULL, 16);
  }
  return length;
}

static void print_payload(const void *payload, size_t length) {
  static const char digits[] = "0123456789abcdef";
  const unsigned char *const from = (const unsigned char *)payload;
  fputs(length == 0 ? " -" : " ", answer);
  for (size_t i = 0; i < length; i++) {
    fputc(digits[from[i] >> 4], answer);
    fputc(digits[from[i] & 15], answer);
  }
}

/* ---- open ------------------------------------------------------------------------------------ */

static struct {
  uint32_t lanes, capacity, size, cells, history, timeout;
  const char *type;
  bool open, keep, read_only, closed;
} asked;

static void read_options(void) {
  memset(&asked, 0, sizeof asked);
  asked.timeout = 5000;
  for (char *word = next_word(); *word != '\0'; word = next_word()) {
    char *const value = strchr(word, '=');
    if (value == NULL) continue;
    *value = '\0';
    const uint32_t number = (uint32_t)strtoul(value + 1, NULL, 10);
    if (strcmp(word, "lanes") == 0) asked.lanes = number;
    else if (strcmp(word, "capacity") == 0) asked.capacity = number;
    else if (strcmp(word, "size") == 0) asked.size = number;
    else if (strcmp(word, "cells") == 0) asked.cells = number;
    else if (strcmp(word, "history") == 0) asked.history = number;
    else if (strcmp(word, "timeout") == 0) asked.timeout = number;
    else if (strcmp(word, "type") == 0) asked.type = value + 1;
    else if (strcmp(word, "open") == 0) asked.open = true;
    else if (strcmp(word, "keep") == 0) asked.keep = true;
    else if (strcmp(word, "readonly") == 0) asked.read_only = true;
    else if (strcmp(word, "closed") == 0) asked.closed = true;
  }
}

static struct ShmWait within(uint32_t ms) { return shm_within(ms * INT64_C(1000000)); }

static struct ShmMailboxWait mailbox_within(uint32_t ms) {
  const struct ShmMailboxWait wait = {shm_now() + ms * INT64_C(1000000), NULL, NULL, NULL};
  return wait;
}

static void open_mailbox(struct Handle *handle, key_t key) {
  const struct ShmMailboxOptions options = {key, 0600, asked.keep, false};
  const struct ShmMailboxWait wait = mailbox_within(asked.timeout);
  if (failed(shm_mailbox_join(&handle->mailbox, &options, &wait), &handle->mailbox.error)) return;
  if (handle->role == SERVER &&
      failed(shm_mailbox_acquire_server(&handle->mailbox), &handle->mailbox.error)) {
    shm_mailbox_leave(&handle->mailbox);
  }
}

static void open_channel(struct Handle *handle, key_t key) {
  struct ShmChannelOptions options = shm_channel_options(key);
  const struct ShmWait wait = within(asked.timeout);
  options.lanes = asked.lanes;
  options.lane_capacity = asked.capacity;
  options.message_size = asked.size;
  options.type = asked.type;
  options.persistent = asked.keep;
  if (failed(asked.open ? shm_channel_open(&handle->channel, &options, &wait)
                        : shm_channel_open_or_create(&handle->channel, &options, &wait),
             &handle->channel.error)) {
    return;
  }
  const bool lost =
      handle->role == PRODUCER
          ? failed(shm_channel_open_producer(&handle->producer, &handle->channel),
                   &handle->producer.error)
          : failed(shm_channel_open_consumer(&handle->consumer, &handle->channel),
                   &handle->consumer.error);
  if (lost) shm_channel_leave(&handle->channel);
}

static void open_latest(struct Handle *handle, key_t key) {
  struct ShmLatestOptions options = shm_latest_options(key);
  const struct ShmWait wait = within(asked.timeout);
  options.size = asked.size;
  options.cells = asked.cells;
  options.type = asked.type;
  options.persistent = asked.keep;
  if (failed(asked.read_only ? shm_latest_open_read_only(&handle->latest, &options, &wait)
             : asked.open    ? shm_latest_open(&handle->latest, &options, &wait)
                             : shm_latest_open_or_create(&handle->latest, &options, &wait),
             &handle->latest.error)) {
    return;
  }
  const bool lost =
      handle->role == WRITER
          ? failed(shm_latest_open_writer(&handle->writer, &handle->latest), &handle->writer.error)
          : failed(shm_latest_open_reader(&handle->reader, &handle->latest), &handle->reader.error);
  if (lost) shm_latest_leave(&handle->latest);
}

static void open_topic(struct Handle *handle, key_t key) {
  struct ShmTopicOptions options = shm_topic_options(key);
  const struct ShmWait wait = within(asked.timeout);
  options.lanes = asked.lanes;
  options.lane_capacity = asked.capacity;
  options.message_size = asked.size;
  options.type = asked.type;
  options.persistent = asked.keep;
  if (failed(asked.read_only ? shm_topic_open_read_only(&handle->topic, &options, &wait)
             : asked.open    ? shm_topic_open(&handle->topic, &options, &wait)
                             : shm_topic_open_or_create(&handle->topic, &options, &wait),
             &handle->topic.error)) {
    return;
  }
  const bool lost =
      handle->role == PUBLISHER
          ? failed(shm_topic_open_publisher(&handle->publisher, &handle->topic),
                   &handle->publisher.error)
          : failed(shm_topic_open_subscriber(&handle->subscriber, &handle->topic, asked.history),
                   &handle->subscriber.error);
  if (lost) shm_topic_leave(&handle->topic);
}

static void open_handle(struct Handle *handle) {
  const char *const role = next_word();
  const key_t key = (key_t)next_number();
  read_options();
  for (handle->role = CLIENT; handle->role < ROLES; handle->role++) {
    if (strcmp(role, role_names[handle->role]) == 0) break;
  }
  handle->until_closed = asked.closed;
  switch (handle->role) {
    case CLIENT:
    case SERVER: open_mailbox(handle, key); break;
    case PRODUCER:
    case CONSUMER: open_channel(handle, key); break;
    case WRITER:
    case READER: open_latest(handle, key); break;
    case PUBLISHER:
    case SUBSCRIBER: open_topic(handle, key); break;
    default: refuse("no such role");
  }
}

/* ---- send ------------------------------------------------------------------------------------ */

/* By enum ShmMailboxOutcome. */
static const char *const outcome_words[] = {" unsent", " left",    " taken",
                                            " unsent", " unknown", " unknown"};

/* Sends `bytes`. False: no payload after this one is sent. */
static bool send_one(struct Handle *handle, uint32_t ms, uint32_t tag, uint32_t length) {
  if (handle->role == CLIENT) {
    const struct ShmMailboxWait wait = mailbox_within(ms);
    enum ShmMailboxOutcome outcome;
    const enum ShmMailboxStatus status = shm_mailbox_send(
        &handle->mailbox, (const char *)bytes, length, ms != 0, &wait, &outcome);
    if (status != SHM_MAILBOX_TIMEOUT && failed((int)status, &handle->mailbox.error)) return false;
    fputs(outcome_words[outcome], answer);
    return outcome != SHM_MAILBOX_NOT_SENT && outcome != SHM_MAILBOX_WITHDRAWN;
  }
  if (handle->role == PRODUCER) {
    const struct ShmWait wait = within(ms);
    const enum ShmStatus status =
        ms == 0 ? shm_channel_try_send(&handle->producer, bytes, length, tag)
                : shm_channel_send(&handle->producer, bytes, length, tag, &wait);
    const bool unsent = status == SHM_FULL || status == SHM_TIMEOUT;
    if (!unsent && failed(status, &handle->producer.error)) return false;
    fputs(unsent ? " unsent" : " sent", answer);
    return !unsent;
  }
  const bool lost =
      handle->role == WRITER
          ? failed(shm_latest_write(&handle->writer, bytes, length), &handle->writer.error)
          : failed(shm_topic_publish(&handle->publisher, bytes, length, tag),
                   &handle->publisher.error);
  if (lost) return false;
  fprintf(answer, " %llu",
          (unsigned long long)(handle->role == WRITER ? handle->writer.version
                                                      : handle->publisher.count));
  return true;
}

static void send_all(struct Handle *handle) {
  const uint32_t ms = next_number();
  const uint32_t tag = next_number();
  for (const char *word = next_word(); *word != '\0'; word = next_word()) {
    if (!send_one(handle, ms, tag, decode(word))) return;
  }
}

static void stage(struct Handle *handle) {
  const uint32_t tag = next_number();
  const uint32_t length = decode(next_word());
  failed(shm_channel_stage(&handle->producer, bytes, length, tag), &handle->producer.error);
}

/* ---- receive --------------------------------------------------------------------------------- */

/* Whether a receive returned no message: then the answer says why. */
static bool nothing(int status, const struct ShmError *error) {
  if (status == SHM_OK) return false;
  if (status == SHM_EMPTY || status == SHM_TIMEOUT) fputs(" none", answer);
  else if (status == SHM_CLOSED) fputs(" end", answer);
  else failed(status, error);
  return true;
}

static bool receive_text(struct ShmMailbox *mailbox, uint32_t ms) {
  static char text[SHM_MAILBOX_TEXT_SIZE + 1];
  const struct ShmMailboxWait wait = mailbox_within(ms);
  size_t length = 0;
  pid_t sender = 0;
  const enum ShmMailboxStatus status =
      shm_mailbox_receive(mailbox, text, &length, &sender, &wait);
  if (status == SHM_MAILBOX_TIMEOUT) fputs(" none", answer);
  if (status == SHM_MAILBOX_TIMEOUT || failed((int)status, &mailbox->error)) return false;
  print_payload(text, length);
  fprintf(answer, ",sender=%ld", (long)sender);
  return true;
}

/* False: there is no message after this one. */
static bool receive_one(struct Handle *handle, uint32_t ms) {
  struct ShmWait wait = within(ms);
  wait.until_closed = handle->until_closed;
  if (handle->role == SERVER) return receive_text(&handle->mailbox, ms);
  if (handle->role == CONSUMER) {
    struct ShmChannelMessage message;
    const enum ShmStatus status =
        shm_channel_receive(&handle->consumer, bytes, sizeof bytes, &message, &wait);
    if (nothing(status, &handle->consumer.error)) return false;
    print_payload(message.bytes, message.length);
    fprintf(answer, ",tag=%lu,lane=%lu", (unsigned long)message.tag, (unsigned long)message.lane);
    return true;
  }
  if (handle->role == READER) {
    struct ShmLatestValue value;
    const enum ShmStatus status =
        shm_latest_next(&handle->reader, bytes, sizeof bytes, &value, &wait);
    if (nothing(status, &handle->reader.error)) return false;
    print_payload(bytes, value.length);
    fprintf(answer, ",version=%llu", (unsigned long long)value.version);
    return true;
  }
  struct ShmTopicMessage message;
  const enum ShmStatus status = ms == 0 ? shm_topic_try_receive(&handle->subscriber, &message)
                                        : shm_topic_receive(&handle->subscriber, &message, &wait);
  if (nothing(status, &handle->subscriber.error)) return false;
  print_payload(message.bytes, message.length);
  fprintf(answer, ",tag=%lu,lane=%lu,number=%llu,missed=%llu", (unsigned long)message.tag,
          (unsigned long)message.lane, (unsigned long long)message.number,
          (unsigned long long)message.missed);
  return true;
}

static void receive_all(struct Handle *handle) {
  const uint32_t ms = next_number();
  for (uint32_t left = next_number(); left > 0; left--) {
    if (!receive_one(handle, ms)) return;
  }
}

static void acknowledge(struct Handle *handle, bool is_positive) {
  if (handle->role == SERVER) {
    (is_positive ? shm_mailbox_ack : shm_mailbox_nack)(&handle->mailbox);
  } else {
    (is_positive ? shm_channel_ack : shm_channel_nack)(&handle->consumer);
  }
}

/* ---- close ----------------------------------------------------------------------------------- */

static void close_handle(struct Handle *handle) {
  switch (handle->role) {
    case PRODUCER: shm_channel_close_producer(&handle->producer); break;
    case CONSUMER: shm_channel_close_consumer(&handle->consumer); break;
    case WRITER: shm_latest_close_writer(&handle->writer); break;
    case READER: shm_latest_close_reader(&handle->reader); break;
    case PUBLISHER: shm_topic_close_publisher(&handle->publisher); break;
    case SUBSCRIBER: shm_topic_close_subscriber(&handle->subscriber); break;
    default: break;
  }
  if (handle->role <= SERVER) shm_mailbox_leave(&handle->mailbox);
  else if (handle->role <= CONSUMER) shm_channel_leave(&handle->channel);
  else if (handle->role <= READER) shm_latest_leave(&handle->latest);
  else shm_topic_leave(&handle->topic);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void obey(char *line) {
  const char *const verb = strtok(line, " ");
  const uint32_t number = next_number();
  struct Handle *const handle = &handles[number % HANDLES];
  if (verb == NULL) refuse("an empty line");
  else if (strcmp(verb, "slice") == 0) slice_ms = (long)number;
  else if (strcmp(verb, "open") == 0) open_handle(handle);
  else if (strcmp(verb, "send") == 0) send_all(handle);
  else if (strcmp(verb, "stage") == 0) stage(handle);
  else if (strcmp(verb, "receive") == 0) receive_all(handle);
  else if (strcmp(verb, "ack") == 0) acknowledge(handle, true);
  else if (strcmp(verb, "nack") == 0) acknowledge(handle, false);
  else if (strcmp(verb, "close") == 0) close_handle(handle);
  else refuse("no verb of the line protocol");
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, stdin)) > 0) {
    char *words = NULL;
    size_t size = 0;
    line[length - 1] = '\0';
    failure[0] = '\0';
    answer = open_memstream(&words, &size);
    if (answer == NULL) return 1;
    obey(line);
    fclose(answer);
    if (failure[0] != '\0') printf("error %s\n", failure);
    else printf("ok%s\n", words);
    fflush(stdout);
    free(words);
  }
  free(line);
  return 0;
}
