// The client of the classic pair: sends its arguments, or else the lines of its input, through the
// mailbox, and reports what happened to each message.

#include "program.hpp"

#include <cmath>
#include <string_view>

namespace {

constexpr const char *PROGRAM = "client";

constexpr const char *USAGE =
    "usage: client [--key KEY] [--no-wait] [--timeout SECONDS] [--trust] [--mode OCTAL] [TEXT...]\n"
    "\n"
    "Sends each TEXT, or else each line of the input, to the server of the mailbox.\n"
    "\n"
    "  --key KEY          the key of the mailbox: decimal, 0x hexadecimal or 0 octal (1111)\n"
    "  --no-wait          leave each message in the mailbox, without waiting for the server\n"
    "  --timeout SECONDS  withdraw a message that no server took in this time, and end\n"
    "  --trust            accept a mailbox of another user\n"
    "  --mode OCTAL       permissions of a new mailbox (600)\n";

struct Options {
  ShmMailboxOptions mailbox{SHM_MAILBOX_KEY, 0600, false, false};
  bool wait_taken = true;
  std::optional<double> timeout;
  const char *timeout_text = "";

  std::int64_t deadline() const {
    if (!timeout) return SHM_MAILBOX_FOREVER;
    return shm_now() + static_cast<std::int64_t>(*timeout * 1e9);
  }
};

std::optional<double> parse_timeout(const char *text) {
  constexpr double LONGEST = 1e9;
  if (text[0] != '.' && (text[0] < '0' || text[0] > '9')) return std::nullopt;
  char *end = nullptr;
  const double value = std::strtod(text, &end);
  if (*end != '\0' || !std::isfinite(value) || value > LONGEST) return std::nullopt;
  return value;
}

// Exits for --help and wrong usage: nothing is held yet.
Options parse_options(int argc, char **argv) {
  static const option known[] = {
      {"key", required_argument, nullptr, 'k'},  {"timeout", required_argument, nullptr, 'T'},
      {"no-wait", no_argument, nullptr, 'n'},    {"trust", no_argument, nullptr, 't'},
      {"mode", required_argument, nullptr, 'm'}, {"help", no_argument, nullptr, 'h'},
      {nullptr, 0, nullptr, 0}};
  Options options;
  bool right = true;
  for (int found; right && (found = getopt_long(argc, argv, "h", known, nullptr)) != -1;) {
    if (found == 'h') {
      std::fputs(USAGE, stdout);
      std::exit(EXIT_SUCCESS);
    } else if (found == 'n') {
      options.wait_taken = false;
    } else if (found == 'T') {
      options.timeout = parse_timeout(optarg);
      options.timeout_text = optarg;
      right = options.timeout.has_value();
      if (!right) {
        std::fprintf(stderr, "%s: --timeout %s: not a number of seconds\n", PROGRAM, optarg);
      }
    } else {
      right = take_common_option(PROGRAM, found, options.mailbox);
    }
  }
  if (!right) {
    std::fputs(USAGE, stderr);
    std::exit(EXIT_USAGE);
  }
  return options;
}

enum class Input { line, end, stopped, failed };

// Lines of any length in a bounded buffer: of a line that is too long only the length is kept.
class LineReader {
 public:
  Input next() {
    text_.clear();
    length_ = 0;
    has_nul_ = false;
    for (;;) {
      while (at_ < filled_) {
        const char byte = buffer_[at_++];
        if (byte == '\n') {
          if (last_ == '\r' && length_ > 0) drop_last();
          return Input::line;
        }
        append(byte);
      }
      // a signal must end the program even if the input is always ready
      if (stop_signal != 0 || !wait_ready(STDIN_FILENO, POLLIN)) return Input::stopped;
      const ssize_t count = read(STDIN_FILENO, buffer_, sizeof buffer_);
      if (count == 0) return length_ > 0 ? Input::line : Input::end;
      if (count == -1 && errno != EINTR && errno != EAGAIN) return Input::failed;
      at_ = 0;
      filled_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    }
  }

  std::string_view text() const { return text_; }
  std::uint64_t length() const { return length_; }
  bool has_nul() const { return has_nul_; }

 private:
  void append(char byte) {
    length_++;
    last_ = byte;
    if (byte == '\0') has_nul_ = true;
    // one byte more than a message holds: it may be the \r that is removed
    if (text_.size() <= SHM_MAILBOX_TEXT_MAX) text_ += byte;
  }

  void drop_last() {
    if (text_.size() == length_) text_.pop_back();
    length_--;
  }

  char buffer_[16384];
  std::size_t at_ = 0;
  std::size_t filled_ = 0;
  std::string text_;
  std::uint64_t length_ = 0;
  char last_ = '\0';
  bool has_nul_ = false;
};

class Client {
 public:
  explicit Client(const Options &options) : options_(options), key_(key_text(options.mailbox)) {}

  // Nothing: continue. Else the exit code.
  std::optional<int> join() {
    const ShmMailboxWait wait{options_.deadline(), &stop_signal, nullptr, nullptr};
    const ShmMailboxStatus status = mailbox_.arrive(options_.mailbox, wait);
    if (status == SHM_MAILBOX_STOPPED) return 128 + stop_signal;
    if (status != SHM_MAILBOX_OK) {
      print_error(PROGRAM, mailbox_.get());
      return EXIT_FAILURE;
    }
    warn_of_excess(PROGRAM, mailbox_.get());
    return std::nullopt;
  }

  // Nothing: continue. Else the exit code, after what happened to the message was reported.
  std::optional<int> send(std::string_view text) {
    if (stop_signal != 0) return 128 + stop_signal;
    const ShmMailboxWait wait{options_.deadline(), &stop_signal, &Client::idle, this};
    ShmMailboxOutcome outcome = SHM_MAILBOX_NOT_SENT;
    const ShmMailboxStatus status = shm_mailbox_send(&mailbox_.get(), text.data(), text.size(),
                                                     options_.wait_taken, &wait, &outcome);
    if (status == SHM_MAILBOX_OK) {
      if (outcome == SHM_MAILBOX_LEFT) tell_if_no_server("the message stays for the next one");
      return std::nullopt;
    }
    if (status != SHM_MAILBOX_TIMEOUT && status != SHM_MAILBOX_STOPPED) {
      print_error(PROGRAM, mailbox_.get());
    }
    say(status, outcome);
    return status == SHM_MAILBOX_STOPPED ? 128 + stop_signal : EXIT_FAILURE;
  }

  void refuse(const char *kind, std::uint64_t number, std::uint64_t length, bool has_nul) {
    refused_ = true;
    std::fprintf(stderr, "%s: %s %llu refused: %llu bytes%s, a message holds at most %d%s\n",
                 PROGRAM, kind, static_cast<unsigned long long>(number),
                 static_cast<unsigned long long>(length), has_nul ? " with a NUL among them" : "",
                 SHM_MAILBOX_TEXT_MAX, has_nul ? " and no NUL" : "");
  }

  int exit_code() const { return refused_ ? EXIT_FAILURE : EXIT_SUCCESS; }

 private:
  static void idle(void *self) {
    static_cast<Client *>(self)->tell_if_no_server("waiting for one");
  }

  void tell_if_no_server(const char *consequence) {
    const ShmMailbox &box = mailbox_.get();
    // a classic server holds no role, it is only attached
    if (told_ || shm_mailbox_has_server(&box) || shm_mailbox_has_stranger(&box)) return;
    told_ = true;
    std::fprintf(stderr, "%s: no server attached at %s, %s\n", PROGRAM, key_.c_str(), consequence);
  }

  void say(ShmMailboxStatus status, ShmMailboxOutcome outcome) const {
    std::string reason;
    if (status == SHM_MAILBOX_TIMEOUT) {
      reason = std::string(" within ") + options_.timeout_text + " s";
    } else if (status == SHM_MAILBOX_STOPPED) {
      reason = " before the signal";
    }
    const char *fate = "";
    switch (outcome) {
      case SHM_MAILBOX_NOT_SENT: fate = "message not sent"; break;
      case SHM_MAILBOX_WITHDRAWN: fate = "message withdrawn, no server took it"; break;
      case SHM_MAILBOX_IN_FLIGHT: fate = "message received and not acknowledged"; break;
      case SHM_MAILBOX_UNKNOWN: fate = "message left behind, it may or may not be printed"; break;
      // the send succeeded
      case SHM_MAILBOX_LEFT:
      case SHM_MAILBOX_TAKEN: return;
    }
    const char *warning = outcome == SHM_MAILBOX_IN_FLIGHT ? ": it may still be printed" : "";
    std::fprintf(stderr, "%s: %s%s, %s%s\n", PROGRAM, fate, reason.c_str(), key_.c_str(), warning);
  }

  const Options &options_;
  const std::string key_;
  Mailbox mailbox_;
  bool told_ = false;
  bool refused_ = false;
};

int send_arguments(Client &client, char **texts, int count) {
  for (int i = 0; i < count; i++) {
    const std::string_view text = texts[i];
    if (text.size() > SHM_MAILBOX_TEXT_MAX) {
      client.refuse("argument", static_cast<std::uint64_t>(i) + 1, text.size(), false);
      continue;
    }
    const std::optional<int> end = client.send(text);
    if (end) {
      if (i + 1 < count) {
        std::fprintf(stderr, "%s: the %d messages after it were not sent\n", PROGRAM,
                     count - i - 1);
      }
      return *end;
    }
  }
  return client.exit_code();
}

int send_lines(Client &client) {
  const bool terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
  LineReader lines;
  for (std::uint64_t number = 1;; number++) {
    if (terminal) {
      std::fputs("Input message>>> ", stdout);
      std::fflush(stdout);
    }
    const Input input = lines.next();
    if (terminal && input != Input::line) std::fputc('\n', stdout);
    if (input == Input::end) return client.exit_code();
    if (input == Input::stopped) return 128 + stop_signal;
    if (input == Input::failed) {
      std::fprintf(stderr, "%s: cannot read the input: read: %s (%d, %s)\n", PROGRAM,
                   shm_errno_name(errno), errno, std::strerror(errno));
      return EXIT_FAILURE;
    }
    if (lines.length() > SHM_MAILBOX_TEXT_MAX || lines.has_nul()) {
      client.refuse("line", number, lines.length(), lines.has_nul());
      continue;
    }
    const std::string_view text = lines.text();
    if (terminal) {
      std::printf("Send message: %.*s\n", static_cast<int>(text.size()), text.data());
      std::fflush(stdout);
    }
    const std::optional<int> end = client.send(text);
    if (end) return *end;
  }
}

}  // namespace

int main(int argc, char **argv) {
  const Options options = parse_options(argc, argv);
  install_signals();
  Client client(options);
  if (const std::optional<int> end = client.join()) return *end;
  if (optind < argc) return send_arguments(client, argv + optind, argc - optind);
  return send_lines(client);
}
