/*
 * The layout of `latest` of @sysv/shm: constants and structs, with assertions that the compiler
 * lays them out as TypeScript does. Written by `deno task layout` from src/latest/descriptor.ts,
 * which says which process writes which word. Do not change it by hand; include shm_latest.h.
 */
#ifndef SYSV_SHM_LATEST_LAYOUT_H
#define SYSV_SHM_LATEST_LAYOUT_H

#include "shm_headed.h"

#define SHM_LATEST_MAGIC 0x4c4d4853U
#define SHM_LATEST_LAYOUT_HASH 0x89657ddaU
#define SHM_LATEST_VERSION 1U
#define SHM_LATEST_LINE 128U
#define SHM_LATEST_CELLS_OFFSET 384U
#define SHM_LATEST_VALUE_OFFSET 16U
#define SHM_LATEST_VALUE_SIZE_MIN 1U
#define SHM_LATEST_VALUE_SIZE_MAX 1073741824U
#define SHM_LATEST_CELLS_MIN 2U
#define SHM_LATEST_CELLS_MAX 4096U
#define SHM_LATEST_CELLS_DEFAULT 16U
#define SHM_LATEST_CELLS_DEFAULT_LARGE 4U
#define SHM_LATEST_LARGE_CELL 65536U
#define SHM_LATEST_SEM_WRITER 0
#define SHM_LATEST_SEM_LOCK 1
#define SHM_LATEST_SEM_USERS 2
#define SHM_LATEST_SEM_DISPOSABLE 3
#define SHM_LATEST_SEMAPHORE_COUNT 4

struct __attribute__((aligned(128))) ShmLatestHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t layout_hash;
  uint32_t cells;
  uint32_t value_size;
  uint32_t reserved;
  uint64_t segment_size;
  struct ShmMessageType type;
};
static_assert(sizeof(struct ShmLatestHeader) == 128, "ShmLatestHeader");
SHMH_PLACE(ShmLatestHeader, magic, 0, 4);
SHMH_PLACE(ShmLatestHeader, version, 4, 4);
SHMH_PLACE(ShmLatestHeader, layout_hash, 8, 4);
SHMH_PLACE(ShmLatestHeader, cells, 12, 4);
SHMH_PLACE(ShmLatestHeader, value_size, 16, 4);
SHMH_PLACE(ShmLatestHeader, reserved, 20, 4);
SHMH_PLACE(ShmLatestHeader, segment_size, 24, 8);
SHMH_PLACE(ShmLatestHeader, type, 32, 96);

struct __attribute__((aligned(128))) ShmLatestWriterLine {
  uint32_t published;
  uint32_t opened;
};
static_assert(sizeof(struct ShmLatestWriterLine) == 128, "ShmLatestWriterLine");
SHMH_PLACE(ShmLatestWriterLine, published, 0, 4);
SHMH_PLACE(ShmLatestWriterLine, opened, 4, 4);

struct __attribute__((aligned(128))) ShmLatestWaitingLine {
  uint32_t waiting;
};
static_assert(sizeof(struct ShmLatestWaitingLine) == 128, "ShmLatestWaitingLine");
SHMH_PLACE(ShmLatestWaitingLine, waiting, 0, 4);

struct ShmLatestControl {
  struct ShmLatestHeader header;
  struct ShmLatestWriterLine writer;
  struct ShmLatestWaitingLine waiting;
};
static_assert(sizeof(struct ShmLatestControl) == 384, "ShmLatestControl");
SHMH_PLACE(ShmLatestControl, header, 0, 128);
SHMH_PLACE(ShmLatestControl, writer, 128, 128);
SHMH_PLACE(ShmLatestControl, waiting, 256, 128);

struct ShmLatestCell {
  uint32_t number_low;
  uint32_t number_high;
  uint32_t length;
  uint32_t reserved;
};
static_assert(sizeof(struct ShmLatestCell) == 16, "ShmLatestCell");
SHMH_PLACE(ShmLatestCell, number_low, 0, 4);
SHMH_PLACE(ShmLatestCell, number_high, 4, 4);
SHMH_PLACE(ShmLatestCell, length, 8, 4);
SHMH_PLACE(ShmLatestCell, reserved, 12, 4);

#endif
