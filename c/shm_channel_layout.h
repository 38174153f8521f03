/*
 * The layout of `channel` of @sysv/shm: constants and structs, with assertions that the compiler
 * lays them out as TypeScript does. Written by `deno task layout` from src/channel/descriptor.ts,
 * which says which process writes which word. Do not change it by hand; include shm_channel.h.
 */
#ifndef SYSV_SHM_CHANNEL_LAYOUT_H
#define SYSV_SHM_CHANNEL_LAYOUT_H

#include "shm_headed.h"

#define SHM_CHANNEL_MAGIC 0x434d4853U
#define SHM_CHANNEL_LAYOUT_HASH 0x9208e356U
#define SHM_CHANNEL_VERSION 1U
#define SHM_CHANNEL_LINE 128U
#define SHM_CHANNEL_RECORD_ALIGN 8U
#define SHM_CHANNEL_PADDING 0xffffffffU
#define SHM_CHANNEL_LANES_MIN 1U
#define SHM_CHANNEL_LANES_MAX 256U
#define SHM_CHANNEL_LANES_DEFAULT 8U
#define SHM_CHANNEL_LANE_CAPACITY_MIN 64U
#define SHM_CHANNEL_LANE_CAPACITY_MAX 1073741824U
#define SHM_CHANNEL_LANE_CAPACITY_DEFAULT 1048576U
#define SHM_CHANNEL_SEM_CONSUMER 0
#define SHM_CHANNEL_SEM_LANE 1
#define SHM_CHANNEL_SEMAPHORES_BESIDE_LANES 4

struct __attribute__((aligned(128))) ShmChannelHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t layout_hash;
  uint32_t lanes;
  uint32_t lane_capacity;
  uint32_t message_size;
  uint64_t segment_size;
  struct ShmMessageType type;
};
static_assert(sizeof(struct ShmChannelHeader) == 128, "ShmChannelHeader");
SHMH_PLACE(ShmChannelHeader, magic, 0, 4);
SHMH_PLACE(ShmChannelHeader, version, 4, 4);
SHMH_PLACE(ShmChannelHeader, layout_hash, 8, 4);
SHMH_PLACE(ShmChannelHeader, lanes, 12, 4);
SHMH_PLACE(ShmChannelHeader, lane_capacity, 16, 4);
SHMH_PLACE(ShmChannelHeader, message_size, 20, 4);
SHMH_PLACE(ShmChannelHeader, segment_size, 24, 8);
SHMH_PLACE(ShmChannelHeader, type, 32, 96);

struct __attribute__((aligned(128))) ShmChannelConsumerLine {
  uint32_t asleep;
  uint32_t opened;
  uint32_t identity[2];
};
static_assert(sizeof(struct ShmChannelConsumerLine) == 128, "ShmChannelConsumerLine");
SHMH_PLACE(ShmChannelConsumerLine, asleep, 0, 4);
SHMH_PLACE(ShmChannelConsumerLine, opened, 4, 4);
SHMH_PLACE(ShmChannelConsumerLine, identity, 8, 8);

struct ShmChannelMessageCounter {
  uint32_t position;
  uint32_t count_low;
  uint32_t count_high;
};
static_assert(sizeof(struct ShmChannelMessageCounter) == 12, "ShmChannelMessageCounter");
SHMH_PLACE(ShmChannelMessageCounter, position, 0, 4);
SHMH_PLACE(ShmChannelMessageCounter, count_low, 4, 4);
SHMH_PLACE(ShmChannelMessageCounter, count_high, 8, 4);

struct __attribute__((aligned(128))) ShmChannelLaneProducer {
  uint32_t tail;
  uint32_t asleep;
  uint32_t opened;
  uint32_t closed;
  uint32_t full_waits;
  struct ShmChannelMessageCounter tallies[2];
};
static_assert(sizeof(struct ShmChannelLaneProducer) == 128, "ShmChannelLaneProducer");
SHMH_PLACE(ShmChannelLaneProducer, tail, 0, 4);
SHMH_PLACE(ShmChannelLaneProducer, asleep, 4, 4);
SHMH_PLACE(ShmChannelLaneProducer, opened, 8, 4);
SHMH_PLACE(ShmChannelLaneProducer, closed, 12, 4);
SHMH_PLACE(ShmChannelLaneProducer, full_waits, 16, 4);
SHMH_PLACE(ShmChannelLaneProducer, tallies, 20, 24);

struct __attribute__((aligned(128))) ShmChannelLaneConsumer {
  uint32_t head;
  struct ShmChannelMessageCounter tallies[2];
};
static_assert(sizeof(struct ShmChannelLaneConsumer) == 128, "ShmChannelLaneConsumer");
SHMH_PLACE(ShmChannelLaneConsumer, head, 0, 4);
SHMH_PLACE(ShmChannelLaneConsumer, tallies, 4, 24);

struct ShmChannelLane {
  struct ShmChannelLaneProducer producer;
  struct ShmChannelLaneConsumer consumer;
};
static_assert(sizeof(struct ShmChannelLane) == 256, "ShmChannelLane");
SHMH_PLACE(ShmChannelLane, producer, 0, 128);
SHMH_PLACE(ShmChannelLane, consumer, 128, 128);

struct ShmChannelControl {
  struct ShmChannelHeader header;
  struct ShmChannelConsumerLine consumer;
  struct ShmChannelLane lane;
};
static_assert(sizeof(struct ShmChannelControl) == 512, "ShmChannelControl");
SHMH_PLACE(ShmChannelControl, header, 0, 128);
SHMH_PLACE(ShmChannelControl, consumer, 128, 128);
SHMH_PLACE(ShmChannelControl, lane, 256, 256);

struct ShmChannelRecord {
  uint32_t length;
  uint32_t tag;
};
static_assert(sizeof(struct ShmChannelRecord) == 8, "ShmChannelRecord");
SHMH_PLACE(ShmChannelRecord, length, 0, 4);
SHMH_PLACE(ShmChannelRecord, tag, 4, 4);

#endif
