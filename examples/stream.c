/* The C side of stream.ts: answers each order with a receipt, until nobody orders any more. stream.h
 * is what `stream.ts --declare` prints; its assertions stop the compiler if the two disagree. */

#include "shm_channel.h"

#include "stream.h"

enum { ORDERS = 0x5eed1007, RECEIPTS = 0x5eed1008 };

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "stream: %s\n", line);
  return 1;
}

/* The first process creates the channel. All messages have the size of the struct. */
static enum ShmStatus open_channel(struct ShmChannel *channel, key_t key, size_t size) {
  struct ShmChannelOptions options = shm_channel_options(key);
  options.message_size = (uint32_t)size;
  return shm_channel_open_or_create(channel, &options, NULL);
}

static int answer(struct ShmChannelConsumer *orders, struct ShmChannelProducer *receipts) {
  struct ShmWait wait = shm_within(SHM_FOREVER);
  wait.stop = &stop;
  wait.until_closed = true;  /* the orders end when those who order are gone */
  wait.need_consumer = true; /* a receipt does not wait for room that nobody makes */
  for (;;) {
    Order order;
    struct ShmChannelMessage message;
    enum ShmStatus status =
        shm_channel_receive(orders, &order, sizeof order, &message, &wait);
    if (status == SHM_CLOSED || status == SHM_STOPPED) return 0;
    if (status != SHM_OK) return fail(&orders->error);

    Receipt receipt = {.id = order.id, .total = order.count * order.price};
    memcpy(receipt.item, order.item, sizeof receipt.item);
    status = shm_channel_send(receipts, &receipt, sizeof receipt, 0, &wait);
    if (status == SHM_STOPPED) return 0;
    if (status != SHM_OK) return fail(&receipts->error);
  }
}

int main(void) {
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  struct ShmChannel orders, receipts;
  if (open_channel(&orders, ORDERS, sizeof(Order)) != SHM_OK) return fail(&orders.error);
  if (open_channel(&receipts, RECEIPTS, sizeof(Receipt)) != SHM_OK) {
    shm_channel_leave(&orders);
    return fail(&receipts.error);
  }

  static struct ShmChannelConsumer consumer; /* static, for it knows 256 lanes */
  struct ShmChannelProducer producer = {.channel = NULL};
  int code = 1;
  if (shm_channel_open_consumer(&consumer, &orders) != SHM_OK) {
    fail(&consumer.error);
  } else if (shm_channel_open_producer(&producer, &receipts) != SHM_OK) {
    fail(&producer.error);
  } else {
    code = answer(&consumer, &producer);
  }

  shm_channel_close_consumer(&consumer);
  shm_channel_close_producer(&producer);
  if (shm_channel_consumer_pid(&receipts) == 0) { /* what is left would meet the next run */
    shm_channel_remove(&orders);
    shm_channel_remove(&receipts);
  }
  shm_channel_leave(&orders);
  shm_channel_leave(&receipts);
  return code;
}
