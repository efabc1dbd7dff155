#include "cli/commands.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>
#include <llem/machine.hpp>

#include "cli/progress.hpp"
#include "cli/say.hpp"
#include "cli/signals.hpp"

namespace llem::cli {

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
  if (outcome.trials_failed == 0) {
    return 0;
  }
  return outcome.trials_done == 0 ? 4 : 1;
}

int show(const Expected<RunOutcome>& outcome, const Arguments& arguments, int code) {
  return arguments.json ? print_json(outcome->json, code) : print(outcome->text, code);
}

int run_study(const Arguments& arguments) {
  Signals signals;
  Progress progress(arguments.quiet ? Progress::Show::no : Progress::Show::yes);
  const auto study = Study::load(arguments.source);
  if (!study) {
    return report(study.error(), arguments);
  }
  RunOptions options;
  options.results_dir = arguments.output;
  options.text_width = terminal_width(STDOUT_FILENO);
  if (arguments.dry_run) {
    const auto planned = plan(*study, options);
    if (!planned) {
      return report(planned.error(), arguments);
    }
    return arguments.json ? print_json(planned->json, 0) : print(planned->text, 0);
  }
  options.interrupts = signals.interrupts();
  options.events = [&](const Event& event) {
    if (event.kind == EventKind::study_started) {
      signals.hold();
    }
    progress(event);
  };
  const auto outcome = run(*study, options);
  progress.clear();
  if (!outcome) {
    return report(outcome.error(), arguments);
  }
  if (outcome->interrupted) {
    say("interrupted; what was measured is kept in {}\n", outcome->directory);
    return show(outcome, arguments, signals.exit_code());
  }
  return show(outcome, arguments, outcome_code(*outcome));
}

int analyse_run(const Arguments& arguments) {
  const auto outcome = analyse(arguments.directory, terminal_width(STDOUT_FILENO));
  if (!outcome) {
    return report(outcome.error(), arguments);
  }
  for (const std::string& recording : outcome->unread) {
    say("warning: not analysed again: {}\n", recording);
  }
  return show(outcome, arguments, outcome->unread.empty() ? outcome_code(*outcome) : 5);
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

int run_doctor(const Arguments& arguments) {
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

int show_text(const Arguments& arguments, const std::string& key, const std::string& text) {
  return arguments.json ? print_json(text_json(key, text), 0) : print(text, 0);
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
    case Verb::config_path:
      return show_text(arguments, "path", user_configuration_path() + "\n");
  }
  return 70;
}

}  // namespace llem::cli
