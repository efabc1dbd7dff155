#include "cli/arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <string_view>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <fmt/format.h>
#include <llem/machine.hpp>
#include <llem/version.hpp>

#include "cli/say.hpp"

namespace llem::cli {

namespace {

/// A flag that stands for one value of the study file. Text is quoted, so that nothing in it is
/// taken for YAML.
struct ValueFlag {
  const char* names;
  const char* path;
  const char* help;
  bool text;
};

constexpr std::array kValueFlags{
    ValueFlag{"-m,--model", "model.name", "alias, path of a GGUF file or hub repository", true},
    ValueFlag{"-e,--engine,-b,--backend", "deploy.engine", "engine (llamacpp)", true},
    ValueFlag{"-d,--dataset", "workload.dataset.name",
              "aienergyscore, bundled, synthetic or a file", true},
    ValueFlag{"-n,--requests", "workload.requests", "prompts in one pass", false},
    ValueFlag{"--batch-size", "deploy.batch_size", "sequences decoded together", false},
    ValueFlag{"--input-tokens", "workload.input_tokens", "exact prompt length, in tokens", false},
    ValueFlag{"--output-tokens", "workload.output_tokens", "exact output length, in tokens", false},
    ValueFlag{"--cycles", "study.cycles", "repetitions, each in a fresh process", false},
    ValueFlag{"--order", "study.order", "blocks, sequential, interleaved, shuffled or latin_square",
              true},
    ValueFlag{"--seed", "workload.seed",
              "seed of prompts, lengths and sampling; the order has study.seed", false},
    ValueFlag{"--devices", "deploy.devices", "GPUs, as in [0, 1] or [GPU-…]", false}};

std::string yaml_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  return quoted + '"';
}

void add_value_flag(CLI::App& verb, const ValueFlag& flag, Arguments& out) {
  verb.add_option_function<std::string>(
      flag.names,
      [&out, flag](const std::string& value) {
        const std::string names(flag.names);
        const auto dashes = names.find("--");
        out.source.settings.push_back({flag.path, flag.text ? yaml_text(value) : value,
                                       names.substr(dashes, names.find(',', dashes) - dashes)});
      },
      flag.help);
}

Shard parse_shard(const std::string& text) {
  const auto number = [&text](std::string_view part) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (error != std::errc() || end != part.data() + part.size() || value < 1) {
      throw CLI::ValidationError("--shard",
                                 "write it as K/N, as in --shard 1/4, not `" + text + "`");
    }
    return value;
  };
  const std::string_view view(text);
  const auto slash = view.find('/');
  if (slash == std::string_view::npos) {
    number("");
  }
  const Shard shard{number(view.substr(0, slash)), number(view.substr(slash + 1))};
  if (shard.k > shard.n) {
    throw CLI::ValidationError("--shard", "there is no shard " + text);
  }
  return shard;
}

void add_resume(CLI::App& run, Arguments& out) {
  run.add_option_function<std::vector<std::string>>(
         "--resume",
         [&out](const std::vector<std::string>& directories) {
           out.resume = true;
           if (!directories.empty()) {
             out.resume_directory = directories.front();
           }
         },
         "finish a run directory (default: the newest unfinished one of the study)")
      ->expected(0, 1)
      ->type_name("[DIR]");
  run.add_flag("--retry-failed", out.retry_failed, "with --resume: run failed trials again");
  run.add_flag("--accept-changes", out.accept_changes,
               "with --resume: the study changed; keep what is still planned");
  run.add_option_function<std::string>(
         "--shard", [&out](const std::string& text) { out.shard = parse_shard(text); },
         "with --resume: only part K of N, beside processes that do the others")
      ->type_name("K/N");
}

CLI::Option* add_set(CLI::App& verb, Arguments& out) {
  return verb
      .add_option_function<std::vector<std::string>>(
          "--set",
          [&out](const std::vector<std::string>& pairs) {
            for (const std::string& pair : pairs) {
              const auto equals = pair.find('=');
              if (equals == std::string::npos || equals == 0) {
                throw CLI::ValidationError("--set",
                                           "write it as PATH=VALUE, as in "
                                           "--set deploy.batch_size=8, not `" +
                                               pair + "`");
              }
              out.source.settings.push_back(
                  {pair.substr(0, equals), pair.substr(equals + 1), "--set"});
            }
          },
          "any value of the study file: PATH=VALUE (repeatable)")
      ->type_size(1)
      ->allow_extra_args(false)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

CLI::Option* add_output(CLI::App& verb, Arguments& out) {
  return verb.add_option("-o,--output", out.output, "where run directories go (default: runs)");
}

void add_run(CLI::App& app, Arguments& out) {
  CLI::App* run = app.add_subcommand("run", "Measure a study file, or one model without a file");
  run->footer("Example: llem run --model smollm2-135m --batch-size 8 --quick");
  run->add_option("study", out.source.file, "study file (.yaml, .yml, .json)");
  for (const ValueFlag& flag : kValueFlags) {
    add_value_flag(*run, flag, out);
  }
  add_set(*run, out);
  add_output(*run, out);
  run->add_flag_callback(
      "--quick", [&out] { out.source.settings.push_back({"measure.profile", "quick", "--quick"}); },
      "short phases; results are flagged");
  run->add_flag("--dry-run", out.dry_run, "show what would happen; start and write nothing");
  run->add_flag("--no-gaps", out.no_gaps, "no rest between trials");
  run->add_flag("--yes", out.yes, "start a study of more than 500 points without asking");
  run->add_flag("--no-lock", out.no_lock, "do not wait for other studies on the same devices");
  add_resume(*run, out);
  run->callback([&out] { out.verb = Verb::run; });
}

void add_doctor(CLI::App& app, Arguments& out) {
  CLI::App* doctor =
      app.add_subcommand("doctor", "Check what this machine can measure, with the fix");
  doctor->footer("Example: llem doctor --self-test --pairs 10");
  CLI::Option* test = doctor->add_flag("--self-test", out.self_test,
                                       "measure one deployment against itself: how noisy is this "
                                       "machine?");
  doctor
      ->add_option("study", out.source.file,
                   "with --self-test: what to measure (default: a small model, minutes)")
      ->needs(test);
  doctor
      ->add_option("--pairs", out.pairs,
                   "with --self-test: pairs of trials, 3 or more (default: 10)")
      ->needs(test);
  doctor
      ->add_option("--from", out.directory,
                   "with --self-test: a run directory of one configuration, instead of measuring")
      ->needs(test);
  add_set(*doctor, out)->needs(test);
  add_output(*doctor, out)->needs(test);
  doctor->callback([&out] { out.verb = Verb::doctor; });
}

void add_config(CLI::App& app, Arguments& out) {
  CLI::App* config = app.add_subcommand("config", "What this machine and your configuration offer");
  config->footer("Example: llem config init -m smollm2-135m > study.yaml");
  config->require_subcommand(0, 1);
  config->callback([&out, config] {
    if (config->get_subcommands().empty()) {
      out.verb = Verb::config_show;
    }
  });
  config->add_subcommand("show", "every value and where it came from")->callback([&out] {
    out.verb = Verb::config_show;
  });
  CLI::App* init = config->add_subcommand("init", "a commented study file to start from");
  init->add_option("-m,--model", out.model, "model");
  init->add_option("-e,--engine", out.engine, "engine");
  init->callback([&out] { out.verb = Verb::config_init; });
  CLI::App* schema = config->add_subcommand("schema", "the JSON Schema of a document");
  schema->add_option("name", out.schema, "which one; without it, the names");
  schema->callback([&out] { out.verb = Verb::config_schema; });
  CLI::App* convert = config->add_subcommand(
      "convert", "a study file of the Python predecessor in the grammar of llem");
  convert->footer("Example: llem config convert study.yaml -e llamacpp > converted.yaml");
  convert->add_option("study", out.source.file, "study file of the predecessor")->required();
  for (const ValueFlag& flag : kValueFlags) {
    if (flag.path == std::string_view("model.name") ||
        flag.path == std::string_view("deploy.engine")) {
      add_value_flag(*convert, flag, out);
    }
  }
  convert->callback([&out] { out.verb = Verb::config_convert; });
  config->add_subcommand("path", "where your configuration file is")->callback([&out] {
    out.verb = Verb::config_path;
  });
}

void add_calibrate(CLI::App& app, Arguments& out) {
  CLI::App* calibrate = app.add_subcommand(
      "calibrate", "Find out what the power sensors of this machine's NVIDIA GPUs do");
  calibrate->footer("Example: llem calibrate --dry-run");
  calibrate
      ->add_option("--devices", out.devices, "GPUs by UUID, PCI address or index (default: all)")
      ->delimiter(',');
  calibrate->add_option("--repeats", out.repeats, "of the square waves (default: 4)")
      ->check(CLI::Range(1, 100));
  calibrate->add_flag("--dry-run", out.dry_run,
                      "show what would be done; load no GPU, keep nothing");
  calibrate->add_flag("--no-lock", out.no_lock, "do not wait for studies on the same devices");
  calibrate->callback([&out] { out.verb = Verb::calibrate; });
}

}  // namespace

Parsed parse(int argc, char** argv) {
  Parsed parsed;
  Arguments& out = parsed.arguments;
  CLI::App app{"llem measures what an LLM deployment choice costs: energy, throughput, latency.",
               "llem"};
  app.set_version_flag("--version", fmt::format("llem {}", version()));
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Example: llem run --model smollm2-135m");
  app.add_flag("--json", out.json, "one JSON document on standard output");
  app.add_flag("-q,--quiet", out.quiet, "no progress");
  app.add_flag("-v,--verbose", out.verbose, "more log lines; twice for all");
  add_run(app, out);
  add_config(app, out);
  add_doctor(app, out);
  CLI::App* analyse = app.add_subcommand("analyse", "Recompute results from a run's recordings");
  analyse->footer("Example: llem analyse runs/quickstart-20261122T140102Z-9f31ab02");
  analyse->add_option("directory", out.directory, "run directory")->required();
  analyse->callback([&out] { out.verb = Verb::analyse; });
  add_calibrate(app, out);
  for (CLI::App* command : app.get_subcommands({})) {
    command->footer(command->get_footer() + "\nEvery command: --json, -q, -v (see llem --help)");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    parsed.done = true;
    app.exit(success);
  } catch (const CLI::ParseError& error) {
    parsed.done = true;
    parsed.exit_code = 2;
    Error wrong{ErrorKind::usage, error.what(), "llem --help, or llem run --help", {}, {}};
    const auto word = std::find_if(argv + 1, argv + std::max(argc, 1),
                                   [](std::string_view a) { return !a.starts_with('-'); });
    if (app.get_subcommands().empty() && word < argv + argc) {
      wrong.message = fmt::format("there is no command `{}`", *word);
    }
    say("{}", describe_error(wrong));
    if (std::any_of(argv, argv + argc, [](std::string_view a) { return a == "--json"; })) {
      std::fputs((error_json(wrong) + "\n").c_str(), stdout);
    }
  }
  return parsed;
}

}  // namespace llem::cli
