// The server of the classic pair: prints every message that arrives in the mailbox.
//
// A message is acknowledged only after its line was written. So if it could not be printed, or the
// server was killed, the next server receives it.

#include "program.hpp"

#include <string_view>

namespace {

constexpr const char *PROGRAM = "server";

constexpr const char *USAGE =
    "usage: server [--key KEY] [--count N] [--keep] [--trust] [--mode OCTAL]\n"
    "\n"
    "Prints each message sent to the mailbox.\n"
    "\n"
    "  --key KEY     the key of the mailbox: decimal, 0x hexadecimal or 0 octal (1111)\n"
    "  --count N     end after N messages\n"
    "  --keep        keep the mailbox at the end\n"
    "  --trust       accept a mailbox of another user\n"
    "  --mode OCTAL  permissions of a new mailbox (600)\n";

struct Options {
  ShmMailboxOptions mailbox{SHM_MAILBOX_KEY, 0600, false, false};
  std::uint64_t count = 0;  // 0: no limit
};

std::optional<std::uint64_t> parse_count(const char *text) {
  if (text[0] < '0' || text[0] > '9') return std::nullopt;
  char *end = nullptr;
  errno = 0;
  const unsigned long long value = std::strtoull(text, &end, 10);
  if (errno != 0 || *end != '\0' || value == 0) return std::nullopt;
  return value;
}

// Exits for --help and wrong usage: nothing is held yet.
Options parse_options(int argc, char **argv) {
  static const option known[] = {
      {"key", required_argument, nullptr, 'k'},  {"count", required_argument, nullptr, 'n'},
      {"keep", no_argument, nullptr, 'K'},       {"trust", no_argument, nullptr, 't'},
      {"mode", required_argument, nullptr, 'm'}, {"help", no_argument, nullptr, 'h'},
      {nullptr, 0, nullptr, 0}};
  Options options;
  bool right = true;
  for (int found; right && (found = getopt_long(argc, argv, "h", known, nullptr)) != -1;) {
    if (found == 'h') {
      std::fputs(USAGE, stdout);
      std::exit(EXIT_SUCCESS);
    } else if (found == 'K') {
      options.mailbox.persistent = true;
    } else if (found == 'n') {
      const std::optional<std::uint64_t> count = parse_count(optarg);
      right = count.has_value();
      if (right) options.count = *count;
      else std::fprintf(stderr, "%s: --count %s: not a number of messages\n", PROGRAM, optarg);
    } else {
      right = take_common_option(PROGRAM, found, options.mailbox);
    }
  }
  if (right && optind < argc) {
    std::fprintf(stderr, "%s: unexpected argument: %s\n", PROGRAM, argv[optind]);
    right = false;
  }
  if (!right) {
    std::fputs(USAGE, stderr);
    std::exit(EXIT_USAGE);
  }
  return options;
}

bool is_control(std::string_view text, std::size_t at) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto in_c1 = [](unsigned char value) { return value >= 0x80 && value < 0xa0; };
  // in UTF-8 the control characters U+0080 to U+009F begin with 0xC2
  if (byte(at) == 0xc2) return at + 1 < text.size() && in_c1(byte(at + 1));
  if (in_c1(byte(at))) return at > 0 && byte(at - 1) == 0xc2;
  return (byte(at) < 0x20 && byte(at) != '\t') || byte(at) == 0x7f;
}

// A terminal obeys control characters, and messages are untrusted data: print their bytes as text.
std::string escape_controls(std::string_view text) {
  std::string shown;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (is_control(text, i)) {
      char escaped[5];
      std::snprintf(escaped, sizeof escaped, "\\x%02x", static_cast<unsigned char>(text[i]));
      shown += escaped;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

std::string make_line(std::string_view text, bool terminal) {
  // the classic client sends the newline that ended its input line
  if (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  std::string line = "Received message: ";
  line += terminal ? escape_controls(text) : std::string(text);
  line += '\n';
  return line;
}

enum class Written { all, stopped, failed };

// Waits for room first: a line fits into the room that a pipe reports, so at a signal either the
// whole line was written or nothing of it.
Written write_line(const std::string &line) {
  std::size_t done = 0;
  while (done < line.size()) {
    if (!wait_ready(STDOUT_FILENO, POLLOUT)) return Written::stopped;
    const ssize_t written = write(STDOUT_FILENO, line.data() + done, line.size() - done);
    if (written >= 0) done += static_cast<std::size_t>(written);
    else if (errno != EINTR && errno != EAGAIN) return Written::failed;
  }
  return Written::all;
}

// The exit code after a signal. A reader that closed its end counts as SIGPIPE.
int exit_code_of(int signal_number, const Options &options) {
  return options.count == 0 ? EXIT_SUCCESS : 128 + signal_number;
}

int fail_to_print(int number, pid_t sender, const Options &options) {
  if (number == EPIPE) return exit_code_of(SIGPIPE, options);
  std::fprintf(stderr, "%s: cannot print the message", PROGRAM);
  if (sender > 0) std::fprintf(stderr, " of process %ld", static_cast<long>(sender));
  std::fprintf(stderr, ": write: %s (%d, %s), it stays in the mailbox for the next server\n",
               shm_errno_name(number), number, std::strerror(number));
  return EXIT_FAILURE;
}

int serve(ShmMailbox &box, const Options &options) {
  const ShmMailboxWait wait{SHM_MAILBOX_FOREVER, &stop_signal, nullptr, nullptr};
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  for (std::uint64_t served = 0; options.count == 0 || served < options.count; served++) {
    if (stop_signal != 0) return exit_code_of(stop_signal, options);
    char text[SHM_MAILBOX_TEXT_SIZE + 1];
    std::size_t length = 0;
    const ShmMailboxStatus status = shm_mailbox_receive(&box, text, &length, nullptr, &wait);
    if (status == SHM_MAILBOX_STOPPED) return exit_code_of(stop_signal, options);
    if (status != SHM_MAILBOX_OK) {
      print_error(PROGRAM, box);
      return EXIT_FAILURE;
    }
    const Written written = write_line(make_line(std::string_view(text, length), terminal));
    const int number = errno;
    const pid_t sender = written == Written::failed ? shm_mailbox_sender(&box) : 0;
    if (written != Written::all) shm_mailbox_nack(&box);
    if (written == Written::failed) return fail_to_print(number, sender, options);
    if (written == Written::stopped) {
      std::fprintf(stderr, "%s: the output is not read, a message stays in the mailbox\n",
                   PROGRAM);
      return exit_code_of(stop_signal, options);
    }
    shm_mailbox_ack(&box);
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char **argv) {
  const Options options = parse_options(argc, argv);
  install_signals();
  const ShmMailboxWait wait{SHM_MAILBOX_FOREVER, &stop_signal, nullptr, nullptr};
  Mailbox mailbox;
  ShmMailbox &box = mailbox.get();
  ShmMailboxStatus status = mailbox.arrive(options.mailbox, wait);
  if (status == SHM_MAILBOX_OK) status = shm_mailbox_acquire_server(&box);
  if (status == SHM_MAILBOX_STOPPED) return exit_code_of(stop_signal, options);
  if (status != SHM_MAILBOX_OK) {
    print_error(PROGRAM, box);
    return EXIT_FAILURE;
  }
  warn_of_excess(PROGRAM, box);
  std::fprintf(stderr, "%s: waiting for messages at %s\n", PROGRAM,
               key_text(options.mailbox).c_str());
  return serve(box, options);
}
