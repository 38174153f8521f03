/* The C side of telemetry.ts: samples a sensor and itself many thousand times a second, until Ctrl-C
 * or so many samples. sample.h is what `telemetry.ts --declare` prints.
 *
 * A sampler must not wait for a viewer: a sample that finds no room is dropped, and the number of the
 * next sample shows it. */

#include "shm_channel.h"

#include <stdlib.h>

#include "sample.h"

enum { KEY = 0x5eed1005, PER_SECOND = 10000 };

static volatile sig_atomic_t stop = 0;

static void on_signal(int number) {
  (void)number;
  stop = 1;
}

static int fail(const struct ShmError *error) {
  char line[800];
  shm_describe(error, line, sizeof line);
  fprintf(stderr, "telemetry: %s\n", line);
  return 1;
}

/* A thermometer, simulated: swings around 20 degrees in three seconds, with noise. */
static double sensor(void) {
  static const double step = 2 * 3.14159265358979 / (3 * PER_SECOND);
  static double swing = 0, speed = 4;
  static uint32_t noise = 1;
  swing += step * speed;
  speed -= step * swing;
  noise = noise * 1664525U + 1013904223U;
  return 20 + swing + noise / 4294967296.0;
}

static double cpu_seconds(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int sample(struct ShmChannelProducer *producer, uint32_t count) {
  const int64_t start = shm_now();
  uint32_t dropped = 0, n = 0;
  for (; n < count && !stop; n++) {
    const int64_t due = start + n * INT64_C(1000000000) / PER_SECOND;
    const struct timespec until = {due / 1000000000, due % 1000000000};
    if (shm_now() < due) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    const int64_t now = shm_now();

    const Sample measured = {
        .n = n,
        .degrees = sensor(),
        .late_us = (double)(now - due) / 1e3, /* how long the kernel let us sleep on */
        .cpu = cpu_seconds(),
        .time = (double)(now - start) / 1e9,
    };
    const enum ShmStatus status =
        shm_channel_try_send(producer, &measured, sizeof measured, 0);
    if (status == SHM_FULL) dropped++;
    else if (status != SHM_OK) return fail(&producer->error);
  }
  printf("%u samples, %u of them dropped\n", n, dropped);
  return 0;
}

int main(int count, char **arguments) {
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);

  struct ShmChannelOptions options = shm_channel_options(KEY);
  options.message_size = sizeof(Sample);
  struct ShmChannel channel;
  if (shm_channel_open_or_create(&channel, &options, NULL) != SHM_OK) {
    return fail(&channel.error);
  }
  struct ShmChannelProducer producer;
  const uint32_t most = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 0) : UINT32_MAX;
  int code = shm_channel_open_producer(&producer, &channel) == SHM_OK
                 ? sample(&producer, most)
                 : fail(&producer.error);

  shm_channel_close_producer(&producer);
  /* what nobody watches is worth nothing: the channel goes, with what is in it */
  if (shm_channel_consumer_pid(&channel) == 0) shm_channel_remove(&channel);
  shm_channel_leave(&channel);
  return code;
}
