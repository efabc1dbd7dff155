#include "llamacpp/native_parameters.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <dirent.h>
#include <memory>
#include <sched.h>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::worker {

namespace {

using base::Json;
using Given = NativeParameters;

struct Parameter {
  std::string_view name;
  void (*set)(Given&, const Json&);
  Json (*read)(const LiveEngine&);
};

template <class Enum>
struct Word {
  std::string_view text;
  Enum value;
};

constexpr auto kSplitModes =
    std::to_array<Word<llama_split_mode>>({{"none", LLAMA_SPLIT_MODE_NONE},
                                           {"layer", LLAMA_SPLIT_MODE_LAYER},
                                           {"row", LLAMA_SPLIT_MODE_ROW},
                                           {"tensor", LLAMA_SPLIT_MODE_TENSOR}});
constexpr auto kLoadModes =
    std::to_array<Word<llama_load_mode>>({{"auto", LLAMA_LOAD_MODE_AUTO},
                                          {"none", LLAMA_LOAD_MODE_NONE},
                                          {"mmap", LLAMA_LOAD_MODE_MMAP},
                                          {"mlock", LLAMA_LOAD_MODE_MLOCK},
                                          {"mmap+mlock", LLAMA_LOAD_MODE_MMAP_MLOCK},
                                          {"dio", LLAMA_LOAD_MODE_DIRECT_IO}});
constexpr auto kLazyModes = std::to_array<Word<llama_lazy_mode>>(
    {{"off", LLAMA_LAZY_MODE_OFF}, {"auto", LLAMA_LAZY_MODE_AUTO}, {"on", LLAMA_LAZY_MODE_ON}});
constexpr auto kFlash =
    std::to_array<Word<llama_flash_attn_type>>({{"auto", LLAMA_FLASH_ATTN_TYPE_AUTO},
                                                {"disabled", LLAMA_FLASH_ATTN_TYPE_DISABLED},
                                                {"enabled", LLAMA_FLASH_ATTN_TYPE_ENABLED}});
constexpr auto kCacheTypes = std::to_array<Word<ggml_type>>({{"f32", GGML_TYPE_F32},
                                                             {"f16", GGML_TYPE_F16},
                                                             {"bf16", GGML_TYPE_BF16},
                                                             {"q8_0", GGML_TYPE_Q8_0},
                                                             {"q5_1", GGML_TYPE_Q5_1},
                                                             {"q5_0", GGML_TYPE_Q5_0},
                                                             {"q4_1", GGML_TYPE_Q4_1},
                                                             {"q4_0", GGML_TYPE_Q4_0},
                                                             {"iq4_nl", GGML_TYPE_IQ4_NL}});
constexpr auto kRopeScaling = std::to_array<Word<llama_rope_scaling_type>>(
    {{"unspecified", LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED},
     {"none", LLAMA_ROPE_SCALING_TYPE_NONE},
     {"linear", LLAMA_ROPE_SCALING_TYPE_LINEAR},
     {"yarn", LLAMA_ROPE_SCALING_TYPE_YARN},
     {"longrope", LLAMA_ROPE_SCALING_TYPE_LONGROPE}});
constexpr auto kPriorities =
    std::to_array<Word<ggml_sched_priority>>({{"low", GGML_SCHED_PRIO_LOW},
                                              {"normal", GGML_SCHED_PRIO_NORMAL},
                                              {"medium", GGML_SCHED_PRIO_MEDIUM},
                                              {"high", GGML_SCHED_PRIO_HIGH},
                                              {"realtime", GGML_SCHED_PRIO_REALTIME}});
constexpr auto kNuma =
    std::to_array<Word<ggml_numa_strategy>>({{"disabled", GGML_NUMA_STRATEGY_DISABLED},
                                             {"distribute", GGML_NUMA_STRATEGY_DISTRIBUTE},
                                             {"isolate", GGML_NUMA_STRATEGY_ISOLATE},
                                             {"numactl", GGML_NUMA_STRATEGY_NUMACTL}});

template <class Words>
auto value_of(const Words& words, const Json& word) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const auto& candidate) {
    return candidate.text == word.string();
  });
  LLEM_ASSERT(found != words.end(), "the argument list and this table have the same words");
  return found->value;
}

template <class Words, class Enum>
Json word_of(const Words& words, Enum value) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [&](const auto& word) { return word.value == value; });
  return found == words.end() ? Json(static_cast<std::int64_t>(value)) : Json(found->text);
}

template <class T>
T number(const Json& value) {
  return static_cast<T>(value.number());
}

/// A float as the shortest decimal that reads back to it: 0.1f is 0.1, not 0.10000000149011612.
Json decimal(float value) {
  return Json(base::parse_number(fmt::format("{}", value)).value_or(static_cast<double>(value)));
}

std::vector<float> shares(const Json& value) {
  std::vector<float> result;
  if (value.is_array()) {
    for (const Json& item : value.items()) {
      result.push_back(number<float>(item));
    }
    return result;
  }
  for (const std::string_view part : base::split(value.string(), ',')) {
    result.push_back(static_cast<float>(base::parse_number(base::trim(part)).value_or(0)));
  }
  return result;
}

Json tensor_split(const LiveEngine& engine) {
  Json list = Json::array();
  for (const float share : engine.given.tensor_split) {
    list.push_back(decimal(share));
  }
  return list;
}

/// The CPUs that any thread of this process may run on.
Json allowed_cpus(const LiveEngine& /*engine*/) {
  std::set<int> cpus;
  const std::unique_ptr<DIR, int (*)(DIR*)> tasks(::opendir("/proc/self/task"), ::closedir);
  while (const dirent* entry = tasks ? ::readdir(tasks.get()) : nullptr) {
    cpu_set_t allowed;
    if (::sched_getaffinity(std::atoi(entry->d_name), sizeof allowed, &allowed) != 0) {
      continue;  // "." and "..", or a thread that has ended
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) {
        cpus.insert(cpu);
      }
    }
  }
  return Json(cpu_list({cpus.begin(), cpus.end()}));
}

Json flash_attention(const LiveEngine& engine) {
  if (const auto known = engine.log.flash_attention()) {
    return Json(*known ? "enabled" : "disabled");
  }
  return word_of(kFlash, engine.given.context.flash_attn_type);
}

Json told_or(const std::string& told, const Json& given) {
  return told.empty() ? given : Json(told);
}

// NOLINTBEGIN(readability-identifier-length): g: given parameters, v: value, e: live engine
constexpr std::array kParameters{
    Parameter{"n_gpu_layers",
              [](Given& g, const Json& v) { g.model.n_gpu_layers = number<int>(v); },
              [](const LiveEngine& e) { return Json(e.log.offloaded_layers()); }},
    Parameter{"split_mode",
              [](Given& g, const Json& v) { g.model.split_mode = value_of(kSplitModes, v); },
              [](const LiveEngine& e) { return word_of(kSplitModes, e.given.model.split_mode); }},
    Parameter{"main_gpu", [](Given& g, const Json& v) { g.model.main_gpu = number<int>(v); },
              [](const LiveEngine& e) { return Json(e.given.model.main_gpu); }},
    Parameter{"tensor_split", [](Given& g, const Json& v) { g.tensor_split = shares(v); },
              tensor_split},
    Parameter{"load_mode",
              [](Given& g, const Json& v) { g.model.load_mode = value_of(kLoadModes, v); },
              [](const LiveEngine& e) {
                return told_or(e.log.load_mode(), word_of(kLoadModes, e.given.model.load_mode));
              }},
    Parameter{"lazy_mode",
              [](Given& g, const Json& v) { g.model.lazy_mode = value_of(kLazyModes, v); },
              [](const LiveEngine& e) { return word_of(kLazyModes, e.given.model.lazy_mode); }},
    Parameter{"use_extra_bufts",
              [](Given& g, const Json& v) { g.model.use_extra_bufts = v.boolean(); },
              [](const LiveEngine& e) { return Json(e.given.model.use_extra_bufts); }},
    Parameter{"no_host", [](Given& g, const Json& v) { g.model.no_host = v.boolean(); },
              [](const LiveEngine& e) { return Json(e.given.model.no_host); }},
    Parameter{"check_tensors", [](Given& g, const Json& v) { g.model.check_tensors = v.boolean(); },
              [](const LiveEngine& e) { return Json(e.given.model.check_tensors); }},
    Parameter{"n_ctx", [](Given& g, const Json& v) { g.context.n_ctx = number<std::uint32_t>(v); },
              [](const LiveEngine& e) { return Json(std::int64_t{llama_n_ctx(e.context)}); }},
    Parameter{"n_batch",
              [](Given& g, const Json& v) { g.context.n_batch = number<std::uint32_t>(v); },
              [](const LiveEngine& e) { return Json(std::int64_t{llama_n_batch(e.context)}); }},
    Parameter{"n_ubatch",
              [](Given& g, const Json& v) { g.context.n_ubatch = number<std::uint32_t>(v); },
              [](const LiveEngine& e) { return Json(std::int64_t{llama_n_ubatch(e.context)}); }},
    Parameter{"n_seq_max",
              [](Given& g, const Json& v) { g.context.n_seq_max = number<std::uint32_t>(v); },
              [](const LiveEngine& e) { return Json(std::int64_t{llama_n_seq_max(e.context)}); }},
    Parameter{"n_threads", [](Given& g, const Json& v) { g.context.n_threads = number<int>(v); },
              [](const LiveEngine& e) { return Json(llama_n_threads(e.context)); }},
    Parameter{"n_threads_batch",
              [](Given& g, const Json& v) { g.context.n_threads_batch = number<int>(v); },
              [](const LiveEngine& e) { return Json(llama_n_threads_batch(e.context)); }},
    Parameter{"flash_attn",
              [](Given& g, const Json& v) { g.context.flash_attn_type = value_of(kFlash, v); },
              flash_attention},
    Parameter{"type_k",
              [](Given& g, const Json& v) { g.context.type_k = value_of(kCacheTypes, v); },
              [](const LiveEngine& e) {
                return told_or(e.log.type_k(), word_of(kCacheTypes, e.given.context.type_k));
              }},
    Parameter{"type_v",
              [](Given& g, const Json& v) { g.context.type_v = value_of(kCacheTypes, v); },
              [](const LiveEngine& e) {
                return told_or(e.log.type_v(), word_of(kCacheTypes, e.given.context.type_v));
              }},
    Parameter{
        "offload_kqv", [](Given& g, const Json& v) { g.context.offload_kqv = v.boolean(); },
        [](const LiveEngine& e) { return Json(e.has_device && e.given.context.offload_kqv); }},
    Parameter{"op_offload", [](Given& g, const Json& v) { g.context.op_offload = v.boolean(); },
              [](const LiveEngine& e) { return Json(e.has_device && e.given.context.op_offload); }},
    Parameter{"kv_unified", [](Given& g, const Json& v) { g.context.kv_unified = v.boolean(); },
              [](const LiveEngine& e) {
                return Json(e.log.kv_unified().value_or(e.given.context.kv_unified));
              }},
    Parameter{"swa_full", [](Given& g, const Json& v) { g.context.swa_full = v.boolean(); },
              [](const LiveEngine& e) { return Json(e.given.context.swa_full); }},
    Parameter{
        "rope_scaling",
        [](Given& g, const Json& v) { g.context.rope_scaling_type = value_of(kRopeScaling, v); },
        [](const LiveEngine& e) {
          return word_of(kRopeScaling, e.given.context.rope_scaling_type);
        }},
    Parameter{"rope_freq_base",
              [](Given& g, const Json& v) { g.context.rope_freq_base = number<float>(v); },
              [](const LiveEngine& e) {
                const auto told = e.log.rope_freq_base();
                return told ? Json(*told) : decimal(e.given.context.rope_freq_base);
              }},
    Parameter{"rope_freq_scale",
              [](Given& g, const Json& v) { g.context.rope_freq_scale = number<float>(v); },
              [](const LiveEngine& e) {
                const auto told = e.log.rope_freq_scale();
                return told ? Json(*told) : decimal(e.given.context.rope_freq_scale);
              }},
    Parameter{"yarn_ext_factor",
              [](Given& g, const Json& v) { g.context.yarn_ext_factor = number<float>(v); },
              [](const LiveEngine& e) { return decimal(e.given.context.yarn_ext_factor); }},
    Parameter{"yarn_attn_factor",
              [](Given& g, const Json& v) { g.context.yarn_attn_factor = number<float>(v); },
              [](const LiveEngine& e) { return decimal(e.given.context.yarn_attn_factor); }},
    Parameter{"yarn_beta_fast",
              [](Given& g, const Json& v) { g.context.yarn_beta_fast = number<float>(v); },
              [](const LiveEngine& e) { return decimal(e.given.context.yarn_beta_fast); }},
    Parameter{"yarn_beta_slow",
              [](Given& g, const Json& v) { g.context.yarn_beta_slow = number<float>(v); },
              [](const LiveEngine& e) { return decimal(e.given.context.yarn_beta_slow); }},
    Parameter{
        "yarn_orig_ctx",
        [](Given& g, const Json& v) { g.context.yarn_orig_ctx = number<std::uint32_t>(v); },
        [](const LiveEngine& e) { return Json(std::int64_t{e.given.context.yarn_orig_ctx}); }},
    Parameter{"cpumask",
              [](Given& g, const Json& v) {
                g.cpus = parse_cpu_list(v.string()).value_or(std::vector<int>{});
                for (const int cpu : g.cpus) {
                  g.pool.cpumask[cpu] = true;
                }
              },
              allowed_cpus},
    Parameter{"strict_cpu", [](Given& g, const Json& v) { g.pool.strict_cpu = v.boolean(); },
              [](const LiveEngine& e) { return Json(e.given.pool.strict_cpu); }},
    Parameter{"poll", [](Given& g, const Json& v) { g.pool.poll = number<std::uint32_t>(v); },
              [](const LiveEngine& e) { return Json(std::int64_t{e.given.pool.poll}); }},
    Parameter{"prio", [](Given& g, const Json& v) { g.pool.prio = value_of(kPriorities, v); },
              [](const LiveEngine& e) { return word_of(kPriorities, e.given.pool.prio); }},
    Parameter{"numa", [](Given& g, const Json& v) { g.numa = value_of(kNuma, v); },
              [](const LiveEngine& e) {
                // On a machine of one node llama.cpp does nothing, whatever the strategy.
                return word_of(kNuma, ggml_is_numa() ? e.given.numa : GGML_NUMA_STRATEGY_DISABLED);
              }},
};
// NOLINTEND(readability-identifier-length)

}  // namespace

Expected<void> apply_native(const NativeArguments& arguments, NativeParameters& parameters) {
  for (const Parameter& parameter : kParameters) {
    const auto found = arguments.find(std::string(parameter.name));
    if (found != arguments.end()) {
      parameter.set(parameters, found->second);
    }
  }
  if (parameters.tensor_split.size() > llama_max_devices()) {
    return failure(ErrorKind::engine,
                   fmt::format("tensor_split has {} shares, this llama.cpp knows {} devices",
                               parameters.tensor_split.size(), llama_max_devices()),
                   {}, "bad_argument");
  }
  if (!parameters.tensor_split.empty()) {
    parameters.padded_split = parameters.tensor_split;
    parameters.padded_split.resize(llama_max_devices(), 0.0F);
    parameters.model.tensor_split = parameters.padded_split.data();
  }
  return {};
}

Json effective_values(const LiveEngine& engine) {
  Json values = Json::object();
  for (const Parameter& parameter : kParameters) {
    values[parameter.name] = parameter.read(engine);
  }
  return values;
}

}  // namespace llem::worker
