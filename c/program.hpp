// The common part of the server and the client program: options, signals, and leaving the mailbox.
//
// Signals only set a flag. Every wait checks it. A wait for a file descriptor unblocks the signals
// in the same step as it begins, so that no signal is lost between the check and the wait.
#ifndef SYSV_SHM_PROGRAM_HPP
#define SYSV_SHM_PROGRAM_HPP

#include "common.h"

#include <getopt.h>
#include <poll.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

constexpr int EXIT_USAGE = 2;

// The signal that asked the program to end, 0 if none did.
inline volatile std::sig_atomic_t stop_signal = 0;

extern "C" inline void on_stop_signal(int number) { stop_signal = number; }

inline sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

inline void install_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // nohup sets SIGHUP to be ignored, which must stay so
  struct sigaction before {};
  if (sigaction(SIGHUP, nullptr, &before) == 0 && before.sa_handler != SIG_IGN) {
    sigaction(SIGHUP, &action, nullptr);
  }
  // a reader that has gone must be an error of write: a message may not be acknowledged yet
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

// Waits until the descriptor can be read or written. False: a signal asked to end first.
inline bool wait_ready(int descriptor, short events) {
  const sigset_t closed = stop_signals();
  sigset_t open;
  sigprocmask(SIG_BLOCK, &closed, &open);
  pollfd waited{descriptor, events, 0};
  // if a signal came before, return only whether it is ready now
  timespec none{};
  int ready = ppoll(&waited, 1, &none, &open);
  while (stop_signal == 0 && (ready == 0 || (ready == -1 && errno == EINTR))) {
    ready = ppoll(&waited, 1, nullptr, &open);
  }
  sigprocmask(SIG_SETMASK, &open, nullptr);
  return ready > 0;
}

// The destructor leaves the mailbox, so every way out of a scope does.
class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox &) = delete;
  Mailbox &operator=(const Mailbox &) = delete;
  ~Mailbox() {
    if (arrived_) shm_mailbox_leave(&box_);
  }

  ShmMailboxStatus arrive(const ShmMailboxOptions &options, const ShmMailboxWait &wait) {
    const ShmMailboxStatus status = shm_mailbox_join(&box_, &options, &wait);
    arrived_ = status == SHM_MAILBOX_OK;
    return status;
  }

  ShmMailbox &get() { return box_; }

 private:
  ShmMailbox box_{};
  bool arrived_ = false;
};

inline void print_error(const char *program, const ShmMailbox &box) {
  char line[768];
  shm_describe(&box.error, line, sizeof line);
  std::fprintf(stderr, "%s: %s\n", program, line);
}

inline std::string key_text(const ShmMailboxOptions &options) {
  char text[40];
  std::snprintf(text, sizeof text, "key %ld (0x%lx)", static_cast<long>(options.key),
                static_cast<unsigned long>(static_cast<std::uint32_t>(options.key)));
  return text;
}

inline void warn_of_excess(const char *program, const ShmMailbox &box) {
  const unsigned excess = shm_mailbox_excess(&box);
  if (excess == 0) return;
  std::fprintf(stderr, "%s: warning: %s may write to this mailbox (mode %03o)\n", program,
               (excess & 0002U) != 0 ? "every user" : "the group", box.member.mode);
}

// Decimal (signed), 0x hexadecimal or leading-0 octal; any 32 bits except the 0 of IPC_PRIVATE.
inline std::optional<key_t> parse_key(const char *text) {
  const bool negative = text[0] == '-';
  const char first = negative ? text[1] : text[0];
  if (first < '0' || first > '9' || (negative && first == '0')) return std::nullopt;
  char *end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text, &end, 0);
  if (errno != 0 || *end != '\0') return std::nullopt;
  if (value < INT32_MIN || value > UINT32_MAX || value == 0) return std::nullopt;
  return static_cast<key_t>(static_cast<std::uint32_t>(value));
}

inline std::optional<unsigned> parse_mode(const char *text) {
  if (text[0] < '0' || text[0] > '7') return std::nullopt;
  char *end = nullptr;
  errno = 0;
  const unsigned long value = std::strtoul(text, &end, 8);
  if (errno != 0 || *end != '\0' || (value & ~0666UL) != 0) return std::nullopt;
  return static_cast<unsigned>(value);
}

// False if it is not a common option, or if its argument is wrong, after an error message.
inline bool take_common_option(const char *program, int option, ShmMailboxOptions &options) {
  if (option == 'k') {
    const std::optional<key_t> key = parse_key(optarg);
    if (key) {
      options.key = *key;
    } else {
      std::fprintf(stderr, "%s: --key %s: not a key (1111, 0x457, 02127; not 0)\n", program,
                   optarg);
    }
    return key.has_value();
  }
  if (option == 'm') {
    const std::optional<unsigned> mode = parse_mode(optarg);
    if (mode) {
      options.mode = *mode;
    } else {
      std::fprintf(stderr, "%s: --mode %s: not octal permissions within 666\n", program, optarg);
    }
    return mode.has_value();
  }
  if (option == 't') options.trust = true;
  return option == 't';
}

#endif
