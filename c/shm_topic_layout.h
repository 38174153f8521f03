/*
 * The layout of `topic` of @sysv/shm: constants and structs, with assertions that the compiler
 * lays them out as TypeScript does. Written by `deno task layout` from src/topic/descriptor.ts,
 * which says which process writes which word. Do not change it by hand; include shm_topic.h.
 */
#ifndef SYSV_SHM_TOPIC_LAYOUT_H
#define SYSV_SHM_TOPIC_LAYOUT_H

#include "shm_headed.h"

#define SHM_TOPIC_MAGIC 0x544d4853U
#define SHM_TOPIC_LAYOUT_HASH 0xf337a0ccU
#define SHM_TOPIC_VERSION 1U
#define SHM_TOPIC_LINE 128U
#define SHM_TOPIC_RECORD_ALIGN 8U
#define SHM_TOPIC_PADDING 0xffffffffU
#define SHM_TOPIC_LANES_MIN 1U
#define SHM_TOPIC_LANES_MAX 256U
#define SHM_TOPIC_LANES_DEFAULT 8U
#define SHM_TOPIC_LANE_CAPACITY_MIN 256U
#define SHM_TOPIC_LANE_CAPACITY_MAX 1073741824U
#define SHM_TOPIC_LANE_CAPACITY_DEFAULT 1048576U
#define SHM_TOPIC_UNUSED_AT_END 32U
#define SHM_TOPIC_SEM_LANE 0
#define SHM_TOPIC_SEMAPHORES_BESIDE_LANES 3

struct __attribute__((aligned(128))) ShmTopicHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t layout_hash;
  uint32_t lanes;
  uint32_t lane_capacity;
  uint32_t message_size;
  uint64_t segment_size;
  struct ShmMessageType type;
};
static_assert(sizeof(struct ShmTopicHeader) == 128, "ShmTopicHeader");
SHMH_PLACE(ShmTopicHeader, magic, 0, 4);
SHMH_PLACE(ShmTopicHeader, version, 4, 4);
SHMH_PLACE(ShmTopicHeader, layout_hash, 8, 4);
SHMH_PLACE(ShmTopicHeader, lanes, 12, 4);
SHMH_PLACE(ShmTopicHeader, lane_capacity, 16, 4);
SHMH_PLACE(ShmTopicHeader, message_size, 20, 4);
SHMH_PLACE(ShmTopicHeader, segment_size, 24, 8);
SHMH_PLACE(ShmTopicHeader, type, 32, 96);

struct __attribute__((aligned(128))) ShmTopicWaitingLine {
  uint32_t waiting;
};
static_assert(sizeof(struct ShmTopicWaitingLine) == 128, "ShmTopicWaitingLine");
SHMH_PLACE(ShmTopicWaitingLine, waiting, 0, 4);

struct ShmTopicLaneState {
  uint32_t tail;
  uint32_t last;
  uint32_t count_low;
  uint32_t count_high;
  uint32_t tail_high;
};
static_assert(sizeof(struct ShmTopicLaneState) == 20, "ShmTopicLaneState");
SHMH_PLACE(ShmTopicLaneState, tail, 0, 4);
SHMH_PLACE(ShmTopicLaneState, last, 4, 4);
SHMH_PLACE(ShmTopicLaneState, count_low, 8, 4);
SHMH_PLACE(ShmTopicLaneState, count_high, 12, 4);
SHMH_PLACE(ShmTopicLaneState, tail_high, 16, 4);

struct __attribute__((aligned(128))) ShmTopicLane {
  uint32_t intent;
  uint32_t tail;
  uint32_t opened;
  uint32_t closed;
  struct ShmTopicLaneState states[2];
};
static_assert(sizeof(struct ShmTopicLane) == 128, "ShmTopicLane");
SHMH_PLACE(ShmTopicLane, intent, 0, 4);
SHMH_PLACE(ShmTopicLane, tail, 4, 4);
SHMH_PLACE(ShmTopicLane, opened, 8, 4);
SHMH_PLACE(ShmTopicLane, closed, 12, 4);
SHMH_PLACE(ShmTopicLane, states, 16, 40);

struct ShmTopicControl {
  struct ShmTopicHeader header;
  struct ShmTopicWaitingLine waiting;
  struct ShmTopicLane lane;
};
static_assert(sizeof(struct ShmTopicControl) == 384, "ShmTopicControl");
SHMH_PLACE(ShmTopicControl, header, 0, 128);
SHMH_PLACE(ShmTopicControl, waiting, 128, 128);
SHMH_PLACE(ShmTopicControl, lane, 256, 128);

struct ShmTopicRecord {
  uint32_t length;
  uint32_t tag;
  uint32_t number;
  uint32_t back;
};
static_assert(sizeof(struct ShmTopicRecord) == 16, "ShmTopicRecord");
SHMH_PLACE(ShmTopicRecord, length, 0, 4);
SHMH_PLACE(ShmTopicRecord, tag, 4, 4);
SHMH_PLACE(ShmTopicRecord, number, 8, 4);
SHMH_PLACE(ShmTopicRecord, back, 12, 4);

#endif
