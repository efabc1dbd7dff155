#include "engines/llamacpp_arguments.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::engines {

namespace {

using Kind = ArgumentKind;
using Words = std::span<const std::string_view>;

constexpr double kMaxInt32 = std::numeric_limits<std::int32_t>::max();
constexpr double kMaxUint32 = std::numeric_limits<std::uint32_t>::max();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr std::array<std::string_view, 4> kSplitModes{"none", "layer", "row", "tensor"};
constexpr std::array<std::string_view, 6> kLoadModes{"auto",  "none",       "mmap",
                                                     "mlock", "mmap+mlock", "dio"};
constexpr std::array<std::string_view, 3> kLazyModes{"off", "auto", "on"};
constexpr std::array<std::string_view, 3> kFlash{"auto", "disabled", "enabled"};
constexpr std::array<std::string_view, 9> kCacheTypes{"f32",  "f16",  "bf16", "q8_0",  "q5_1",
                                                      "q5_0", "q4_1", "q4_0", "iq4_nl"};
constexpr std::array<std::string_view, 5> kRopeScaling{"unspecified", "none", "linear", "yarn",
                                                       "longrope"};
constexpr std::array<std::string_view, 5> kPriorities{"low", "normal", "medium", "high",
                                                      "realtime"};
constexpr std::array<std::string_view, 4> kNuma{"disabled", "distribute", "isolate", "numactl"};

constexpr std::array kArguments{
    LlamacppArgument{"n_gpu_layers", Kind::integer, "",
                     "Layers kept in device memory; negative means all", -1, kMaxInt32},
    LlamacppArgument{"split_mode", Kind::word, "", "How the model is split over devices",
                     -kInfinity, kInfinity, kSplitModes},
    LlamacppArgument{"main_gpu", Kind::integer, "",
                     "Device of the whole model when split_mode is none", 0, kMaxInt32},
    LlamacppArgument{"tensor_split", Kind::numbers, "", "Share of the model on each device", 0},
    LlamacppArgument{"load_mode", Kind::word, "", "How the file comes into memory", -kInfinity,
                     kInfinity, kLoadModes},
    LlamacppArgument{"lazy_mode", Kind::word, "", "Reading of marked tensors on demand", -kInfinity,
                     kInfinity, kLazyModes},
    LlamacppArgument{"use_extra_bufts", Kind::boolean, "",
                     "Extra buffer types, used to repack weights"},
    LlamacppArgument{"no_host", Kind::boolean, "", "Bypass host buffers"},
    LlamacppArgument{"check_tensors", Kind::boolean, "", "Validate tensor data while loading"},
    LlamacppArgument{"n_ctx", Kind::integer, "context_length",
                     "Tokens of all sequences together; 0: as trained", 0, kMaxUint32},
    LlamacppArgument{"n_batch", Kind::integer, "max_batched_tokens", "Most tokens of one step", 1,
                     kMaxInt32},
    LlamacppArgument{"n_ubatch", Kind::integer, "micro_batch_tokens",
                     "Most tokens computed at once", 1, kMaxInt32},
    LlamacppArgument{"n_seq_max", Kind::integer, "batch_size",
                     "Most sequences; at least batch_size", 1, 256},
    LlamacppArgument{"n_threads", Kind::integer, "threads", "Threads for single tokens", 1, 512},
    LlamacppArgument{"n_threads_batch", Kind::integer, "threads", "Threads for prompts", 1, 512},
    LlamacppArgument{"flash_attn", Kind::word, "attention", "Flash attention", -kInfinity,
                     kInfinity, kFlash},
    LlamacppArgument{"type_k", Kind::word, "kv_cache.dtype", "Type of cached keys", -kInfinity,
                     kInfinity, kCacheTypes},
    LlamacppArgument{"type_v", Kind::word, "kv_cache.dtype", "Type of cached values", -kInfinity,
                     kInfinity, kCacheTypes},
    LlamacppArgument{"offload_kqv", Kind::boolean, "", "KV cache and its operations on the device"},
    LlamacppArgument{"op_offload", Kind::boolean, "", "Host tensor operations on the device"},
    LlamacppArgument{"kv_unified", Kind::boolean, "", "One KV buffer for all sequences"},
    LlamacppArgument{"swa_full", Kind::boolean, "", "Full-size cache for sliding windows"},
    LlamacppArgument{"rope_scaling", Kind::word, "", "RoPE scaling type", -kInfinity, kInfinity,
                     kRopeScaling},
    LlamacppArgument{"rope_freq_base", Kind::number, "", "RoPE base frequency; 0: as trained", 0},
    LlamacppArgument{"rope_freq_scale", Kind::number, "", "RoPE frequency scale; 0: as trained", 0},
    LlamacppArgument{"yarn_ext_factor", Kind::number, "",
                     "YaRN extrapolation mix; negative: as trained"},
    LlamacppArgument{"yarn_attn_factor", Kind::number, "", "YaRN magnitude scale"},
    LlamacppArgument{"yarn_beta_fast", Kind::number, "", "YaRN low correction dimension"},
    LlamacppArgument{"yarn_beta_slow", Kind::number, "", "YaRN high correction dimension"},
    LlamacppArgument{"yarn_orig_ctx", Kind::integer, "", "YaRN original context; 0: as trained", 0,
                     kMaxUint32},
    LlamacppArgument{"cpumask", Kind::text, "cpu_affinity", "CPUs of the threads, as in 0-3,8"},
    LlamacppArgument{"strict_cpu", Kind::boolean, "", "One CPU a thread"},
    LlamacppArgument{"poll", Kind::integer, "", "How long threads spin for work: 0 not at all", 0,
                     100},
    LlamacppArgument{"prio", Kind::word, "", "Priority of the threads", -kInfinity, kInfinity,
                     kPriorities},
    LlamacppArgument{"numa", Kind::word, "numa", "NUMA strategy", -kInfinity, kInfinity, kNuma},
};

constexpr auto kNames = [] {
  std::array<std::string_view, kArguments.size()> names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i] = kArguments[i].name;
  }
  return names;
}();

tl::unexpected<Error> bad_argument(std::string message, std::string hint = {}) {
  return failure(ErrorKind::config, std::move(message), std::move(hint), "bad_argument");
}

tl::unexpected<Error> contradiction(const LlamacppArgument& argument, std::string message) {
  return tl::unexpected<Error>(Error{ErrorKind::config,
                                     std::move(message),
                                     "keep one of them",
                                     {fmt::format("deploy.llamacpp.{}", argument.name),
                                      fmt::format("deploy.{}", argument.canonical)},
                                     "bad_argument"});
}

std::string takes(const LlamacppArgument& argument) {
  const bool bounded = argument.min > -kInfinity;
  const std::string least =
      bounded ? fmt::format(", {} or more", base::shortest(argument.min)) : std::string();
  switch (argument.kind) {
    case Kind::boolean:
      return "true or false";
    case Kind::integer:
      return fmt::format("an integer from {} to {}", base::shortest(argument.min),
                         base::shortest(argument.max));
    case Kind::number:
      return "a number" + least;
    case Kind::word:
      return fmt::format("one of {}", fmt::join(argument.words, ", "));
    case Kind::text:
      return "text";
    case Kind::numbers:
      return "a list of numbers" + least;
  }
  return {};
}

bool within(const LlamacppArgument& argument, double value) {
  return value >= argument.min && value <= argument.max;
}

bool fits_numbers(const LlamacppArgument& argument, const base::Json& value) {
  if (value.is_array()) {
    return !value.items().empty() &&
           std::all_of(value.items().begin(), value.items().end(), [&](const base::Json& item) {
             return item.is_number() && within(argument, item.number());
           });
  }
  if (!value.is_string()) {
    return false;
  }
  const auto parts = base::split(value.string(), ',');
  return std::all_of(parts.begin(), parts.end(), [&](std::string_view part) {
    const auto number = base::parse_number(base::trim(part));
    return number && within(argument, *number);
  });
}

bool fits(const LlamacppArgument& argument, const base::Json& value) {
  switch (argument.kind) {
    case Kind::boolean:
      return value.is_bool();
    case Kind::integer:
      return value.is_integer() && within(argument, value.number());
    case Kind::number:
      return value.is_number() && within(argument, value.number());
    case Kind::word:
      return value.is_string() && std::find(argument.words.begin(), argument.words.end(),
                                            value.string()) != argument.words.end();
    case Kind::text:
      return value.is_string() && !value.string().empty();
    case Kind::numbers:
      return fits_numbers(argument, value);
  }
  return false;
}

/// What the canonical fields ask of a native argument; nothing where they leave it open.
std::optional<base::Json> asked_by_canonical(const domain::Deploy& deploy, std::string_view name,
                                             DeployState state) {
  const auto json = [](const auto& value) {
    return value ? std::optional(base::Json(*value)) : std::nullopt;
  };
  const bool written = state == DeployState::as_written;
  if (name == "n_ctx" && written && deploy.context_length) {
    return base::Json(*deploy.context_length * deploy.batch_size);
  }
  if (name == "n_threads" || name == "n_threads_batch") {
    return written ? json(deploy.threads) : std::nullopt;
  }
  if (name == "n_batch") {
    return json(deploy.max_batched_tokens);
  }
  if (name == "n_ubatch") {
    return json(deploy.micro_batch_tokens);
  }
  if (name == "cpumask") {
    return json(deploy.cpu_affinity);
  }
  if (name == "flash_attn" && deploy.attention != domain::Attention::automatic) {
    return base::Json(deploy.attention == domain::Attention::flash ? "enabled" : "disabled");
  }
  if ((name == "type_k" || name == "type_v") && deploy.kv_cache.dtype != "auto") {
    return base::Json(deploy.kv_cache.dtype);
  }
  if (name == "numa" && deploy.numa != "disabled") {
    return base::Json(deploy.numa);
  }
  return std::nullopt;
}

}  // namespace

std::span<const LlamacppArgument> llamacpp_arguments() {
  return kArguments;
}

const LlamacppArgument* find_llamacpp_argument(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  return found == kNames.end() ? nullptr
                               : &kArguments[static_cast<std::size_t>(found - kNames.begin())];
}

Expected<void> check_llamacpp_value(const LlamacppArgument& argument, const base::Json& value) {
  if (fits(argument, value)) {
    return {};
  }
  return bad_argument(fmt::format("`deploy.llamacpp.{}` must be {}, got {}", argument.name,
                                  takes(argument), base::write_json(value)));
}

/// What the engine refuses whatever the model: known before anything is started.
Expected<void> check_limits(const domain::Deploy& deploy) {
  constexpr std::int64_t kMostSequences = 256;  // LLAMA_MAX_SEQ, llama.cpp src/llama-cparams.h
  if (deploy.batch_size > kMostSequences) {
    return bad_argument(fmt::format("llama.cpp decodes at most {} sequences together, got "
                                    "batch_size {}",
                                    kMostSequences, deploy.batch_size),
                        "lower deploy.batch_size");
  }
  constexpr std::array<std::string_view, 4> kPlain{"auto", "f32", "f16", "bf16"};
  if (deploy.attention == domain::Attention::standard &&
      std::ranges::find(kPlain, deploy.kv_cache.dtype) == kPlain.end()) {
    return bad_argument(
        fmt::format("a key-value cache of {} needs flash attention", deploy.kv_cache.dtype),
        "set deploy.attention to flash or auto");
  }
  return {};
}

Expected<void> check_llamacpp_arguments(const domain::Deploy& deploy, DeployState state) {
  LLEM_TRY(check_limits(deploy));
  for (const auto& [name, value] : deploy.llamacpp) {
    const LlamacppArgument* argument = find_llamacpp_argument(name);
    if (argument == nullptr) {
      const auto near = base::nearest(name, kNames);
      return bad_argument(
          fmt::format("unknown llama.cpp argument `{}`{}", name,
                      near ? fmt::format(": did you mean `{}`?", *near) : std::string()),
          fmt::format("it has {}", fmt::join(kNames, ", ")));
    }
    LLEM_TRY(check_llamacpp_value(*argument, value));
    const auto asked = asked_by_canonical(deploy, name, state);
    if (asked && *asked != value) {
      return contradiction(*argument,
                           fmt::format("`deploy.{}` asks for {} = {}, `deploy.llamacpp.{}` for {}",
                                       argument->canonical, name, base::write_json(*asked), name,
                                       base::write_json(value)));
    }
    if (name == "n_seq_max" && value.integer() < deploy.batch_size) {
      return contradiction(*argument, fmt::format("n_seq_max ({}) is smaller than batch_size ({})",
                                                  value.integer(), deploy.batch_size));
    }
  }
  return {};
}

}  // namespace llem::engines
