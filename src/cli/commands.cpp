#include "cli/commands.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <llem/machine.hpp>
#include <llem/self_test.hpp>

#include "cli/progress.hpp"
#include "cli/say.hpp"
#include "cli/signals.hpp"
#include "cli/skip_key.hpp"

namespace llem::cli {

namespace {

constexpr std::size_t kPointsUnasked = 500;

}  // namespace

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
    case ErrorKind::config:
      return 2;
    case ErrorKind::preflight:
    case ErrorKind::meter:
      return 3;
    case ErrorKind::engine:
    case ErrorKind::timeout:
      return 4;
    case ErrorKind::io:
      return 5;
    case ErrorKind::interrupted:
      return 130;
    case ErrorKind::internal:
      break;
  }
  return 70;
}

namespace {

/// Results go to standard output. A reader that went away is no failure of the measurement; a full
/// disk is.
int print(const std::string& text, int code) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t wrote = ::write(STDOUT_FILENO, text.data() + at, text.size() - at);
    if (wrote >= 0) {
      at += static_cast<std::size_t>(wrote);
    } else if (errno == EPIPE) {
      return code;
    } else if (errno == EAGAIN) {
      // Whoever shares the stream made it non-blocking.
      pollfd room{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      say("error: standard output cannot be written: {}\n", std::strerror(errno));
      return code == 0 ? 5 : code;
    }
  }
  return code;
}

int print_json(std::string json, int code) {
  if (json.empty() || json.back() != '\n') {
    json += '\n';
  }
  return print(json, code);
}

int report(const Error& error, const Arguments& arguments) {
  const int code = exit_code(error.kind);
  say("{}", describe_error(error));
  return arguments.json ? print_json(error_json(error), code) : code;
}

int outcome_code(const RunOutcome& outcome) {
  if (outcome.trials_failed == 0 && outcome.stopped.empty()) {
    return 0;
  }
  return outcome.trials_done == 0 ? 4 : 1;
}

int show(const RunOutcome& outcome, const Arguments& arguments, int code) {
  return arguments.json ? print_json(outcome.json, code) : print(outcome.text, code);
}

Error usage_error(std::string message, std::string hint) {
  return {ErrorKind::usage, std::move(message), std::move(hint), {}, {}};
}

/// What the flags contradict, before anything is read.
std::optional<Error> check_flags(const Arguments& arguments) {
  if (!arguments.resume &&
      (arguments.retry_failed || arguments.accept_changes || arguments.shard.n != 1)) {
    return usage_error("--retry-failed, --accept-changes and --shard go with --resume",
                       "llem run --resume DIR");
  }
  if (arguments.resume && arguments.dry_run) {
    return usage_error("--resume and --dry-run exclude each other", "leave one out");
  }
  const bool no_study = arguments.source.file.empty() && arguments.source.settings.empty();
  if (arguments.resume && no_study && arguments.resume_directory.empty()) {
    return usage_error("nothing says what to resume",
                       "llem run --resume DIR, or llem run STUDY --resume");
  }
  return std::nullopt;
}

/// The study, unless a directory alone is resumed.
Expected<std::optional<Study>> load_study(const Arguments& arguments) {
  if (arguments.resume && arguments.source.file.empty() && arguments.source.settings.empty()) {
    return std::optional<Study>();
  }
  auto study = Study::load(arguments.source);
  if (!study) {
    return tl::unexpected(study.error());
  }
  if (!arguments.yes && !arguments.dry_run && study->points() > kPointsUnasked &&
      isatty(STDIN_FILENO) == 1) {
    return tl::unexpected(usage_error(fmt::format("the study has {} points", study->points()),
                                      "look at it with --dry-run; start it with --yes"));
  }
  return std::optional<Study>(*std::move(study));
}

Expected<RunOutcome> start(const Arguments& arguments, const std::optional<Study>& study,
                           const RunOptions& options) {
  if (!arguments.resume) {
    return run(*study, options);
  }
  std::string directory = arguments.resume_directory;
  if (directory.empty()) {
    auto found = find_unfinished(*study, options);
    if (!found) {
      return tl::unexpected(found.error());
    }
    directory = *std::move(found);
  }
  return resume(directory, study ? &*study : nullptr, options);
}

RunOptions run_options(const Arguments& arguments) {
  RunOptions options;
  options.results_dir = arguments.output;
  options.text_width = terminal_width(STDOUT_FILENO);
  options.no_gaps = arguments.no_gaps;
  options.lock_devices = !arguments.no_lock;
  options.retry_failed = arguments.retry_failed;
  options.accept_changes = arguments.accept_changes;
  options.shard = arguments.shard;
  return options;
}

int finish_study(const RunOutcome& outcome, const Arguments& arguments, const Signals& signals) {
  const std::string resume = fmt::format("llem run --resume {}", outcome.directory);
  if (outcome.interrupted) {
    say("interrupted; what was measured is kept. To go on: {}\n", resume);
    return show(outcome, arguments, signals.exit_code());
  }
  if (!outcome.stopped.empty()) {
    say("stopped: {}. To go on when it is mended: {} --retry-failed\n", outcome.stopped, resume);
  }
  return show(outcome, arguments, outcome.unread.empty() ? outcome_code(outcome) : 5);
}

/// Shows what happens, and lets a person interrupt it.
void watch(RunOptions& options, Signals& signals, SkipKey& skip, Progress& progress) {
  options.interrupts = signals.interrupts();
  options.skip_rest = [&skip] { return skip.pressed(); };
  options.events = [&](const Event& event) {
    if (event.kind == EventKind::study_started) {
      signals.hold();
    } else if (event.kind == EventKind::rest_started) {
      skip.arm();
    }
    progress(event);
  };
}

int run_study(const Arguments& arguments) {
  Signals signals;
  if (const auto wrong = check_flags(arguments)) {
    return report(*wrong, arguments);
  }
  Progress progress(arguments.quiet ? Progress::Show::no : Progress::Show::yes);
  const auto study = load_study(arguments);
  if (!study) {
    return report(study.error(), arguments);
  }
  if (*study) {
    for (const std::string& note : (*study)->notes()) {
      say("note: {}\n", note);
    }
  }
  RunOptions options = run_options(arguments);
  if (arguments.dry_run) {
    const auto planned = plan(**study, options);
    if (!planned) {
      return report(planned.error(), arguments);
    }
    return arguments.json ? print_json(planned->json, 0) : print(planned->text, 0);
  }
  SkipKey skip;
  watch(options, signals, skip, progress);
  const auto outcome = start(arguments, *study, options);
  progress.clear();
  return outcome ? finish_study(*outcome, arguments, signals) : report(outcome.error(), arguments);
}

int analyse_run(const Arguments& arguments) {
  const auto outcome = analyse(arguments.directory, terminal_width(STDOUT_FILENO));
  if (!outcome) {
    return report(outcome.error(), arguments);
  }
  for (const std::string& recording : outcome->unread) {
    say("warning: not analysed again: {}\n", recording);
  }
  return show(*outcome, arguments, outcome->unread.empty() ? outcome_code(*outcome) : 5);
}

std::string checks_text(const std::vector<Check>& checks) {
  std::string text;
  for (const Check& check : checks) {
    text += fmt::format("{:<9} {:<24} {}\n", check.state, check.subject, check.detail);
    if (!check.accuracy.empty()) {
      text += fmt::format("{:<9} {:<24} costs: {}\n", "", "", check.accuracy);
    }
    if (!check.fix.empty()) {
      text += fmt::format("{:<9} {:<24} fix:   {}\n", "", "", check.fix);
    }
  }
  return text;
}

int run_self_test(const Arguments& arguments) {
  Signals signals;
  Progress progress(arguments.quiet ? Progress::Show::no : Progress::Show::yes);
  SkipKey skip;
  SelfTestOptions options{.source = arguments.source,
                          .pairs = arguments.pairs,
                          .directory = arguments.directory,
                          .run = run_options(arguments)};
  watch(options.run, signals, skip, progress);
  const auto outcome = self_test(options);
  progress.clear();
  if (!outcome) {
    return report(outcome.error(), arguments);
  }
  int code = outcome->said_something ? 0 : 4;
  if (outcome->interrupted) {
    say("interrupted; to go on: llem run --resume {0}, then llem doctor --self-test --from {0}\n",
        outcome->directory);
    code = signals.exit_code();
  } else if (!outcome->stopped.empty()) {
    say("stopped: {}\n", outcome->stopped);
  }
  return arguments.json ? print_json(outcome->json, code) : print(outcome->text, code);
}

int run_doctor(const Arguments& arguments) {
  if (arguments.self_test) {
    return run_self_test(arguments);
  }
  const auto checks = doctor();
  const bool broken = std::any_of(checks.begin(), checks.end(), [](const Check& c) {
    return c.required && c.state == "missing";
  });
  const int code = broken ? 3 : 0;
  if (arguments.json) {
    return print_json(checks_json(checks), code);
  }
  return print(checks_text(checks), code);
}

int show_config(const Arguments& arguments) {
  const auto values = user_configuration();
  if (!values) {
    return report(values.error(), arguments);
  }
  const auto checks = doctor();
  if (arguments.json) {
    return print_json(configuration_json(*values, checks), 0);
  }
  std::string text = fmt::format("configuration ({})\n", user_configuration_path());
  for (const ConfigValue& value : *values) {
    text += fmt::format("  {:<14} {:<40} {}\n", value.key, value.value, value.origin);
  }
  return print(text + "machine\n" + checks_text(checks), 0);
}

int show_schema(const Arguments& arguments) {
  if (arguments.schema.empty()) {
    if (arguments.json) {
      return print_json(schema_names_json(), 0);
    }
    std::string names;
    for (const std::string& name : schema_names()) {
      names += name + "\n";
    }
    return print(names, 0);
  }
  const auto text = schema(arguments.schema);
  return text ? print(*text, 0) : report(text.error(), arguments);
}

int convert_study(const Arguments& arguments) {
  const auto converted = convert(arguments.source);
  if (!converted) {
    return report(converted.error(), arguments);
  }
  return arguments.json ? print_json(converted->json, 0) : print(converted->yaml, 0);
}

int show_text(const Arguments& arguments, const std::string& key, const std::string& text) {
  return arguments.json ? print_json(text_json(key, text), 0) : print(text, 0);
}

int calibrate_sensors(const Arguments& arguments) {
  Signals signals;
  signals.hold();
  CalibrationOptions options;
  options.devices = arguments.devices;
  options.repeats = arguments.repeats;
  options.dry_run = arguments.dry_run;
  options.lock_devices = !arguments.no_lock;
  options.interrupts = signals.interrupts();
  if (!arguments.quiet) {
    options.progress = [](const std::string& line) { say("{}\n", line); };
  }
  const auto outcome = calibrate(options);
  if (!outcome && outcome.error().kind == ErrorKind::interrupted) {
    report(outcome.error(), arguments);
    return signals.exit_code();
  }
  if (!outcome) {
    return report(outcome.error(), arguments);
  }
  return arguments.json ? print_json(outcome->json, 0) : print(outcome->text, 0);
}

void set_up_log(const Arguments& arguments) {
  std::string threshold = "warning";
  if (const auto values = user_configuration()) {  // its errors are the verb's to report
    for (const ConfigValue& value : *values) {
      if (value.key == "log") {
        threshold = value.value;
      }
    }
  }
  if (arguments.verbose > 0) {
    threshold = arguments.verbose > 1 ? "debug" : "info";
  }
  if (arguments.quiet) {
    threshold = "error";
  }
  set_log(threshold, [](const char* level, const char* line) { say("{}: {}\n", level, line); });
}

}  // namespace

int execute(const Arguments& arguments) {
  set_up_log(arguments);
  switch (arguments.verb) {
    case Verb::run:
      return run_study(arguments);
    case Verb::analyse:
      return analyse_run(arguments);
    case Verb::doctor:
      return run_doctor(arguments);
    case Verb::config_show:
      return show_config(arguments);
    case Verb::config_schema:
      return show_schema(arguments);
    case Verb::config_init:
      return show_text(arguments, "study", initial_study(arguments.model, arguments.engine));
    case Verb::config_convert:
      return convert_study(arguments);
    case Verb::calibrate:
      return calibrate_sensors(arguments);
    case Verb::config_path:
      return show_text(arguments, "path", user_configuration_path() + "\n");
  }
  return 70;
}

}  // namespace llem::cli
