// The classic server with all its faults, as docs/wire_format.md means it by "classic": no lock, no
// atomics, a flag reset at start, a second of sleep, no end. Only the key is an argument (it was 1111).
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

struct ShmEntry {
  bool can_read;
  char msg[2048];
};

int main(int, char **argv) {
  const int id = shmget(atoi(argv[1]), sizeof(ShmEntry), 0666 | IPC_CREAT);
  if (id == -1) {
    std::cout << "error" << std::endl;
    return 1;
  }
  ShmEntry *entry = static_cast<ShmEntry *>(shmat(id, nullptr, 0));
  entry->can_read = 0;
  while (true) {
    if (entry->can_read == 1) {
      std::cout << "Received message: " << entry->msg << std::endl;
      entry->can_read = 0;
    } else {
      std::cout << "Entry can not read. Sleep 1s." << std::endl;
      sleep(1);
    }
  }
  shmdt(entry);
  shmctl(id, IPC_RMID, nullptr);
}
