// The classic client with all its faults: it resets the flag at start, spins on a plain bool, keeps
// the newline of fgets, overlooks the end of its input. Only the key is an argument (it was 1111).
#include <sys/ipc.h>
#include <sys/shm.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
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
  char buffer[2048];
  while (true) {
    if (entry->can_read == 0) {
      std::cout << "Input message>>> " << std::flush;
      fgets(buffer, 2048, stdin);
      strncpy(entry->msg, buffer, 2048);
      std::cout << "Send message: " << buffer << std::endl;
      entry->can_read = 1;
    }
  }
}
