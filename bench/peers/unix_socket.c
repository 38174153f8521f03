/* A Unix stream socket in C. ADDRESS is its path. */
#include <sys/socket.h>
#include <sys/un.h>

#include "streams.h"

int main(int argc, char **argv) {
  const struct Part part = read_part(argc, argv);
  const bool connects = strcmp(part.role, "send") == 0 || strcmp(part.role, "ping") == 0;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", part.address);
  int connection = socket(AF_UNIX, SOCK_STREAM, 0);
  if (connection < 0) fail("socket");
  if (connects) {
    while (connect(connection, (struct sockaddr *)&address, sizeof address) < 0) sleep_ms(2);
  } else {
    const int listener = connection;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, 1) < 0) {
      fail(part.address);
    }
    connection = accept(listener, NULL, NULL);
    if (connection < 0) fail("accept");
  }
  return stream_play(&part, connection, connection) ? 0 : 2;
}
