// What the llama.cpp worker knows without libllama: its arguments, its log, the memory it may take.

#include <gtest/gtest.h>

#ifdef LLEM_HAS_LLAMACPP

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

#include "engines/llamacpp_arguments.hpp"
#include "llamacpp/engine_log.hpp"
#include "llamacpp/free_memory.hpp"
#include "llamacpp/native_arguments.hpp"

namespace llem::worker {
namespace {

using base::Json;
using engines::DeployState;

testing::AssertionResult has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos
             ? testing::AssertionSuccess()
             : testing::AssertionFailure() << "`" << part << "` is not in `" << text << "`";
}

protocol::WorkerConfig a_config() {
  protocol::WorkerConfig config;
  config.deploy.threads = 2;
  return config;
}

TEST(NativeArguments, hold_only_what_was_chosen) {
  const auto native = native_arguments(a_config());
  ASSERT_TRUE(native);
  EXPECT_EQ(*native,
            (NativeArguments{
                {"n_seq_max", Json(1)}, {"n_threads", Json(2)}, {"n_threads_batch", Json(2)}}));
}

TEST(NativeArguments, give_each_sequence_its_context_in_whole_cells) {
  auto config = a_config();
  config.deploy.batch_size = 3;
  config.deploy.context_length = 300;
  EXPECT_EQ(native_arguments(config)->at("n_ctx"), Json(3 * 512));
  config.deploy.context_length.reset();
  config.max_request_tokens = 256;
  EXPECT_EQ(native_arguments(config)->at("n_ctx"), Json(3 * 256));
  config.deploy.llamacpp["n_ctx"] = Json(777);
  EXPECT_EQ(native_arguments(config)->at("n_ctx"), Json(777)) << "the native one wins";
}

TEST(NativeArguments, win_over_fields_that_a_default_filled) {
  auto config = a_config();
  config.deploy.llamacpp["n_threads"] = Json(7);
  const auto native = native_arguments(config);
  ASSERT_TRUE(native) << native.error().message;
  EXPECT_EQ(native->at("n_threads"), Json(7));
  EXPECT_EQ(native->at("n_threads_batch"), Json(2));
  const auto written = engines::check_llamacpp_arguments(config.deploy, DeployState::as_written);
  ASSERT_FALSE(written) << "but not over fields that the user wrote";
  EXPECT_EQ(written.error().message,
            "`deploy.threads` asks for n_threads = 2, `deploy.llamacpp.n_threads` for 7");
}

TEST(NativeArguments, may_repeat_a_field_but_not_contradict_it) {
  auto config = a_config();
  config.deploy.max_batched_tokens = 64;
  config.deploy.attention = domain::Attention::flash;
  config.deploy.llamacpp["n_batch"] = Json(64);
  config.deploy.llamacpp["flash_attn"] = Json("enabled");
  EXPECT_TRUE(native_arguments(config));
  config.deploy.llamacpp["flash_attn"] = Json("disabled");
  EXPECT_FALSE(native_arguments(config));
}

TEST(NativeArguments, refuse_a_smaller_n_seq_max_than_the_batch) {
  auto config = a_config();
  config.deploy.batch_size = 4;
  config.deploy.llamacpp["n_seq_max"] = Json(2);
  ASSERT_FALSE(native_arguments(config));
  EXPECT_TRUE(has(native_arguments(config).error().message, "smaller than batch_size"));
}

TEST(NativeArguments, name_the_field_that_does_not_fit) {
  auto config = a_config();
  config.deploy.batch_size = 300;
  ASSERT_FALSE(native_arguments(config));
  EXPECT_TRUE(has(native_arguments(config).error().message,
                  "decodes at most 256 sequences together, got batch_size 300"));
}

TEST(LlamacppArguments, contradict_what_the_user_wrote_elsewhere) {
  using Change = void (*)(domain::Deploy&);
  const auto contradicts = [](const char* name, Json value, Change change) {
    domain::Deploy deploy;
    change(deploy);
    deploy.llamacpp[name] = std::move(value);
    const auto checked = engines::check_llamacpp_arguments(deploy, DeployState::as_written);
    return !checked && checked.error().context.size() == 2;
  };
  const Change context = [](domain::Deploy& d) { d.batch_size = 2, d.context_length = 100; };
  EXPECT_TRUE(contradicts("n_ctx", 100, context));
  EXPECT_FALSE(contradicts("n_ctx", 200, context));
  EXPECT_TRUE(contradicts("n_seq_max", 1, context));
  EXPECT_FALSE(contradicts("n_seq_max", 4, context));
  EXPECT_TRUE(contradicts("n_ubatch", 9, [](auto& d) { d.micro_batch_tokens = 8; }));
  EXPECT_TRUE(contradicts("n_threads", 4, [](auto& d) { d.threads = 2; }));
  EXPECT_FALSE(contradicts("n_threads", 4, [](auto&) {}));
  EXPECT_TRUE(contradicts("type_k", "q8_0", [](auto& d) { d.kv_cache.dtype = "f16"; }));
  EXPECT_TRUE(contradicts("type_v", "f32", [](auto& d) { d.kv_cache.dtype = "f16"; }));
  EXPECT_FALSE(contradicts("type_v", "f32", [](auto&) {}));
}

TEST(LlamacppArguments, are_refused_when_unknown_with_the_nearest_name) {
  auto config = a_config();
  config.deploy.llamacpp["n_ubtch"] = Json(2);
  const auto checked = engines::check_llamacpp_arguments(config.deploy, DeployState::resolved);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, "bad_argument");
  EXPECT_TRUE(has(checked.error().message, "did you mean `n_ubatch`?"));
  EXPECT_TRUE(has(checked.error().hint, "n_gpu_layers, "));
}

TEST(LlamacppArguments, take_values_of_their_kind_only) {
  const auto fits = [](std::string_view name, Json value) {
    const engines::LlamacppArgument* argument = engines::find_llamacpp_argument(name);
    return argument != nullptr && engines::check_llamacpp_value(*argument, value).has_value();
  };
  EXPECT_TRUE(fits("n_batch", Json(512)));
  EXPECT_FALSE(fits("n_batch", Json(0)));
  EXPECT_FALSE(fits("n_batch", Json(1.5)));
  EXPECT_FALSE(fits("n_batch", Json(true)));
  EXPECT_TRUE(fits("rope_freq_base", Json(10000)));
  EXPECT_TRUE(fits("tensor_split", Json("3, 1")));
  EXPECT_TRUE(fits("tensor_split", Json::array({Json(3), Json(0.5)})));
  EXPECT_FALSE(fits("tensor_split", Json("3,x")));
  EXPECT_FALSE(fits("tensor_split", Json::array()));
  EXPECT_TRUE(fits("type_k", Json("q8_0")));
  EXPECT_FALSE(fits("type_k", Json("q9_0")));
  EXPECT_FALSE(fits("cpumask", Json("")));
}

TEST(CpuList, is_read_and_written) {
  EXPECT_EQ(parse_cpu_list("0-3,8").value(), (std::vector<int>{0, 1, 2, 3, 8}));
  EXPECT_EQ(parse_cpu_list("5, 1-2,2").value(), (std::vector<int>{1, 2, 5}));
  EXPECT_EQ(cpu_list({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(cpu_list({}), "");
  for (const char* bad : {"", "a", "3-1", "-1", "0-", "600", "1,,2"}) {
    EXPECT_FALSE(parse_cpu_list(bad)) << bad;
  }
}

TEST(EngineLog, reads_what_automatic_choices_came_to) {
  EngineLog log;
  log.take(LogSeverity::detail, "llama_context: flash_attn            = auto\n");
  EXPECT_FALSE(log.flash_attention());
  log.take(LogSeverity::detail, "resolve_fused_ops: Flash Atten");
  log.take(LogSeverity::detail, "tion enabled\n");
  EXPECT_EQ(log.flash_attention(), true);
  log.take(LogSeverity::detail,
           "llama_context: kv_unified            = false\n"
           "llama_context: freq_base             = 500000.0\n"
           "llama_context: freq_scale            = 0.25\n"
           "load_tensors: loading model tensors, this can take a while... (load_mode = mmap)\n"
           "load_tensors: offloaded 31/33 layers to GPU\n");
  EXPECT_EQ(log.kv_unified(), false);
  EXPECT_EQ(log.rope_freq_base(), 500000.0);
  EXPECT_EQ(log.rope_freq_scale(), 0.25);
  EXPECT_EQ(log.load_mode(), "mmap");
  EXPECT_EQ(log.offloaded_layers(), 31);
}

TEST(EngineLog, sums_memory_but_not_twice_what_is_reserved_again) {
  EngineLog log;
  log.take(LogSeverity::detail,
           "load_tensors:   CPU_Mapped model buffer size =     1.00 MiB\n"
           "load_tensors:   CPU_REPACK model buffer size =     2.50 MiB\n"
           "llama_kv_cache:        CPU KV buffer size =     0.50 MiB\n"
           "llama_kv_cache:        CPU KV buffer size =     0.25 MiB\n"
           "llama_kv_cache: size =    0.75 MiB (   256 cells,  30 layers,  1/1 seqs), K (q8_0): "
           "   0.35 MiB, V (f16):    0.40 MiB\n"
           "llama_context:        CPU  output buffer size =     0.25 MiB\n"
           "sched_reserve:        CPU compute buffer size =    10.00 MiB\n"
           "sched_reserve:        CPU compute buffer size =    12.00 MiB\n");
  EXPECT_EQ(log.model_bytes(), 3'670'016);
  EXPECT_EQ(log.cache_bytes(), 786'432);
  EXPECT_EQ(log.compute_bytes(), 12'845'056);
  EXPECT_EQ(log.type_k(), "q8_0");
  EXPECT_EQ(log.type_v(), "f16");
}

TEST(EngineLog, remembers_the_last_errors) {
  EngineLog log;
  log.take(LogSeverity::detail, "fine\n");
  log.take(LogSeverity::error, "llama_model_load: error loading model: no\n");
  log.take(LogSeverity::error, "second\n");
  EXPECT_EQ(log.last_errors(), "llama_model_load: error loading model: no\nsecond");
  log.forget_errors();
  EXPECT_EQ(log.last_errors(), "");
}

class FakeRoot {
 public:
  FakeRoot()
      : path_(std::filesystem::temp_directory_path() /
              ("llem-root-" + std::to_string(::getpid()))) {}

  ~FakeRoot() { std::filesystem::remove_all(path_); }

  FakeRoot(const FakeRoot&) = delete;
  FakeRoot& operator=(const FakeRoot&) = delete;

  void add(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << content;
  }

  std::string text() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(FreeMemory, is_the_least_of_kernel_and_control_groups) {
  const FakeRoot root;
  EXPECT_FALSE(free_memory_bytes(root.text()));
  root.add("proc/meminfo", "MemTotal:  100 kB\nMemAvailable:   64 kB\n");
  EXPECT_EQ(free_memory_bytes(root.text()), 65536);
  root.add("proc/self/cgroup", "0::/outer/inner\n");
  root.add("sys/fs/cgroup/outer/inner/memory.max", "max\n");
  root.add("sys/fs/cgroup/outer/inner/memory.current", "100\n");
  EXPECT_EQ(free_memory_bytes(root.text()), 65536);
  root.add("sys/fs/cgroup/outer/memory.max", "5000\n");
  root.add("sys/fs/cgroup/outer/memory.current", "1000\n");
  EXPECT_EQ(free_memory_bytes(root.text()), 4000);
  root.add("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000\n");
  root.add("sys/fs/cgroup/memory/memory.usage_in_bytes", "3500\n");
  EXPECT_EQ(free_memory_bytes(root.text()), 0);
}

}  // namespace
}  // namespace llem::worker

#endif
