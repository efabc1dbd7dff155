#include "domain/study_config.hpp"

#include <array>

namespace llem::domain {

using base::field;

std::span<const std::string_view> words(EngineKind) {
  static constexpr std::array<std::string_view, 2> kWords{"llamacpp", "scripted"};
  return kWords;
}

std::span<const std::string_view> words(Batching) {
  static constexpr std::array<std::string_view, 2> kWords{"static", "continuous"};
  return kWords;
}

std::span<const std::string_view> words(Attention) {
  static constexpr std::array<std::string_view, 3> kWords{"auto", "flash", "standard"};
  return kWords;
}

std::span<const std::string_view> words(PromptOrder) {
  static constexpr std::array<std::string_view, 3> kWords{"file", "shuffled", "length"};
  return kWords;
}

std::span<const std::string_view> words(Switch) {
  static constexpr std::array<std::string_view, 3> kWords{"auto", "on", "off"};
  return kWords;
}

std::span<const std::string_view> words(SamplingPreset) {
  static constexpr std::array<std::string_view, 4> kWords{"greedy", "standard", "creative",
                                                          "factual"};
  return kWords;
}

std::span<const std::string_view> words(Profile) {
  static constexpr std::array<std::string_view, 2> kWords{"full", "quick"};
  return kWords;
}

std::span<const std::string_view> words(Foreign) {
  static constexpr std::array<std::string_view, 3> kWords{"warn", "wait", "fail"};
  return kWords;
}

std::span<const std::string_view> words(TrialOrder) {
  static constexpr std::array<std::string_view, 5> kWords{"blocks", "sequential", "interleaved",
                                                          "shuffled", "latin_square"};
  return kWords;
}

std::span<const std::string_view> words(PrecisionMetric) {
  static constexpr std::array<std::string_view, 4> kWords{
      "gross_j_per_output_token", "net_j_per_output_token", "gross_j_per_request",
      "output_tokens_per_s"};
  return kWords;
}

const base::Table& Model::table() {
  static constexpr std::array fields{
      field<&Model::name>("name", "Catalogue alias, path of a GGUF file, or hub repository",
                          {.min = 1, .required = true, .hashed = false}),
      field<&Model::file>("file", "File within the hub repository", {.hashed = false}),
      field<&Model::revision>("revision", "Revision of the hub repository (default: main)",
                              {.hashed = false}),
      field<&Model::sha256>("sha256", "Expected SHA-256 of the file; a different one is refused",
                            {.min = 64, .max = 64, .hashed = false})};
  static constexpr base::Table table{"model", "What is deployed; held constant", fields, "name"};
  return table;
}

const base::Table& LogNormal::table() {
  static constexpr std::array fields{
      field<&LogNormal::mean>("mean", "Mean length in tokens", {.min = 1, .required = true}),
      field<&LogNormal::cv>("cv", "Standard deviation divided by the mean",
                            {.min = 0, .max = 10, .required = true}),
      field<&LogNormal::max>("max", "Longer draws are cut to this many tokens", {.min = 1})};
  static constexpr base::Table table{"lognormal", "Lengths from a log-normal distribution", fields};
  return table;
}

const base::Table& LengthRule::table() {
  static constexpr std::array fields{
      field<&LengthRule::exact>("exact", "Exactly so many tokens", {.min = 1}),
      field<&LengthRule::max>("max", "At most so many tokens", {.min = 1}),
      field<&LengthRule::uniform>("uniform", "Uniform between two lengths, both included",
                                  {.min = 2, .max = 2}),
      field<&LengthRule::lognormal>("lognormal", "Log-normal lengths")};
  static constexpr base::Table table{"length", "How long prompts or outputs are", fields, "exact",
                                     base::Merging::whole};
  return table;
}

const base::Table& Dataset::table() {
  static constexpr std::array fields{
      base::field<&Dataset::name>(
          "name", "aienergyscore, bundled, synthetic, or the path of a .jsonl or .txt file",
          {.min = 1}),
      base::field<&Dataset::field>("field", "Key of a .jsonl object that holds the prompt"),
      base::field<&Dataset::repeat>("repeat",
                                    "Whether a data set smaller than one pass is repeated")};
  static constexpr base::Table table{"dataset", "Where prompts come from", fields, "name"};
  return table;
}

const base::Table& Sampling::table() {
  static constexpr std::array fields{
      field<&Sampling::preset>("preset", "Named set of the values below; explicit values win"),
      field<&Sampling::temperature>("temperature", "0 chooses the likeliest token",
                                    {.min = 0, .max = 10}),
      field<&Sampling::top_p>("top_p", "Nucleus: smallest set of tokens with this probability",
                              {.min = 0, .max = 1, .above_min = true}),
      field<&Sampling::top_k>("top_k", "Only the k likeliest tokens; 0 for all", {.min = 0}),
      field<&Sampling::min_p>("min_p", "Least probability relative to the likeliest token",
                              {.min = 0, .max = 1}),
      field<&Sampling::repetition_penalty>("repetition_penalty",
                                           "Divides the logits of tokens already there",
                                           {.min = 0, .above_min = true}),
      field<&Sampling::presence_penalty>("presence_penalty",
                                         "Subtracted from logits of tokens already there"),
      field<&Sampling::frequency_penalty>("frequency_penalty",
                                          "Subtracted per earlier occurrence of a token")};
  static constexpr base::Table table{"sampling", "How tokens are chosen", fields, "preset"};
  return table;
}

const base::Table& Workload::table() {
  static constexpr std::array fields{
      field<&Workload::dataset>("dataset", "Where prompts come from"),
      field<&Workload::requests>("requests", "Prompts in one pass", {.min = 1, .max = 1e6}),
      field<&Workload::order>("order", "Order in which prompts are taken"),
      field<&Workload::seed>("seed", "Seed of the sample, the lengths and the sampling",
                             {.min = 0}),
      field<&Workload::input_tokens>("input_tokens", "Prompt lengths (default: at most 512)"),
      field<&Workload::output_tokens>("output_tokens", "Output lengths (default: exactly 128)"),
      field<&Workload::chat_template>("chat_template",
                                      "Whether prompts are put in the model's chat template"),
      field<&Workload::sampling>("sampling", "How tokens are chosen")};
  static constexpr base::Table table{"workload", "What is asked of the model; held constant",
                                     fields};
  return table;
}

namespace {

constexpr std::array<std::string_view, 10> kKvTypes{"auto", "f32",  "f16",  "bf16", "q8_0",
                                                    "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"};
constexpr std::array<std::string_view, 4> kNuma{"disabled", "distribute", "isolate", "numactl"};
constexpr std::array<std::string_view, 3> kMeters{"nvml", "rapl", "host"};

}  // namespace

const base::Table& KvCache::table() {
  static constexpr std::array fields{field<&KvCache::dtype>(
      "dtype", "Type of keys and values; auto is f16", {.allowed = kKvTypes})};
  static constexpr base::Table table{"kv_cache", "The key-value cache", fields};
  return table;
}

const base::Table& Clocks::table() {
  static constexpr std::array fields{
      field<&Clocks::sm_mhz>("sm_mhz", "Clock of the multiprocessors", {.unit = "MHz", .min = 1}),
      field<&Clocks::memory_mhz>("memory_mhz", "Clock of the memory", {.unit = "MHz", .min = 1})};
  static constexpr base::Table table{"clocks", "Locked clocks of the GPUs", fields};
  return table;
}

const base::Table& Deploy::table() {
  static constexpr std::array fields{
      field<&Deploy::engine>("engine", "Software that runs the model"),
      field<&Deploy::batching>("batching",
                               "static: whole batches one after another; continuous: sequences "
                               "join and leave at every step"),
      field<&Deploy::batch_size>("batch_size", "Sequences decoded together",
                                 {.min = 1, .max = 4096}),
      field<&Deploy::max_batched_tokens>("max_batched_tokens",
                                         "Tokens submitted to the engine in one call",
                                         {.unit = "tokens", .min = 1}),
      field<&Deploy::micro_batch_tokens>("micro_batch_tokens",
                                         "Tokens computed in one pass of the model",
                                         {.unit = "tokens", .min = 1}),
      field<&Deploy::context_length>(
          "context_length", "Tokens one sequence may hold (default: what the schedule needs)",
          {.unit = "tokens", .min = 1}),
      field<&Deploy::attention>("attention", "Attention implementation"),
      field<&Deploy::kv_cache>("kv_cache", "The key-value cache"),
      field<&Deploy::threads>("threads", "CPU threads of the engine (default: usable CPUs)",
                              {.min = 1, .max = 4096}),
      field<&Deploy::cpu_affinity>("cpu_affinity", "CPUs the worker may run on, as in 0-3,8"),
      field<&Deploy::numa>("numa", "NUMA strategy", {.allowed = kNuma}),
      field<&Deploy::devices>("devices",
                              "GPUs by UUID, PCI address or index (default: all visible)",
                              {.hashed = false}),
      field<&Deploy::power_limit_w>(
          "power_limit_w", "Power limit of each GPU while a trial runs (default: untouched)",
          {.unit = "W", .min = 0, .above_min = true}),
      field<&Deploy::clocks>("clocks",
                             "Locked clocks of the GPUs while a trial runs (default: untouched)"),
      field<&Deploy::env>("env", "Environment variables of the worker"),
      field<&Deploy::llamacpp>("llamacpp", "Native llama.cpp arguments by their own names"),
      field<&Deploy::scripted>("scripted", "Timeline and faults of the test engine",
                               {.hidden = true})};
  static constexpr base::Table table{"deploy", "How the model is deployed: what varies", fields};
  return table;
}

const base::Table& Baseline::table() {
  static constexpr std::array fields{
      field<&Baseline::bare_s>("bare_s", "Idle time before the worker starts (full 10, quick 2)",
                               {.unit = "s", .min = 0, .max = 3600}),
      field<&Baseline::loaded_s>("loaded_s", "Idle time with the model loaded (full 10, quick 2)",
                                 {.unit = "s", .min = 0, .max = 3600})};
  static constexpr base::Table table{"baseline", "Idle power", fields};
  return table;
}

const base::Table& Warmup::table() {
  static constexpr std::array fields{
      field<&Warmup::min_s>("min_s", "Shortest warm-up (full 30, quick 2)",
                            {.unit = "s", .min = 0, .max = 36000}),
      field<&Warmup::max_s>("max_s", "Longest warm-up, steady or not (full 300, quick 10)",
                            {.unit = "s", .min = 0, .max = 36000})};
  static constexpr base::Table table{"warmup", "Work before the window", fields};
  return table;
}

const base::Table& Window::table() {
  static constexpr std::array fields{
      field<&Window::min_s>("min_s",
                            "Shortest window; whole passes follow until then (full 30, "
                            "quick 5)",
                            {.unit = "s", .min = 0, .max = 36000}),
      field<&Window::min_requests>("min_requests", "Fewest requests in the window", {.min = 1}),
      field<&Window::pad_s>("pad_s", "Idle on both sides of the window (full 2, quick 0.5)",
                            {.unit = "s", .min = 0, .max = 60})};
  static constexpr base::Table table{"window", "The measured window", fields};
  return table;
}

const base::Table& Measure::table() {
  static constexpr std::array fields{
      field<&Measure::profile>("profile",
                               "full, or quick: short phases, every result is then flagged"),
      field<&Measure::meters>("meters", "nvml, rapl, host (default: every one that works)",
                              {.hashed = false, .allowed = kMeters}),
      field<&Measure::sample_hz>("sample_hz",
                                 "Readings of power and energy per second (default 50)",
                                 {.unit = "Hz", .min = 1, .max = 1000, .hashed = false}),
      field<&Measure::baseline>("baseline", "Idle power", {.hashed = false}),
      field<&Measure::warmup>("warmup", "Work before the window"),
      field<&Measure::window>("window", "The measured window"),
      field<&Measure::windows_per_trial>(
          "windows_per_trial",
          "Windows one after another with the same engine process; more than one tells the "
          "variance of launches from that of runs",
          {.min = 1, .max = 100}),
      field<&Measure::cooldown_s>(
          "cooldown_s", "Rest after the window, with the model loaded (full 5, quick 0.5)",
          {.unit = "s", .min = 0, .max = 3600, .hashed = false}),
      field<&Measure::foreign>("foreign",
                               "When something else holds over 1 GiB of a GPU before a trial: warn "
                               "measures and flags, wait waits up to 600 s, fail refuses the trial",
                               {.hashed = false}),
      field<&Measure::strict>("strict", "A flagged trial counts as failed", {.hashed = false})};
  static constexpr base::Table table{"measure", "How to measure", fields};
  return table;
}

const base::Table& Gap::table() {
  static constexpr std::array fields{
      field<&Gap::seconds>("seconds", "Fixed rest", {.min = 0, .max = 86400}),
      field<&Gap::temperature_within_c>(
          "temperature_within_c",
          "Rest until the devices are within so many degrees of where the study began",
          {.min = 0, .max = 100}),
      field<&Gap::max_s>("max_s", "Longest wait for the temperature (default 600)",
                         {.unit = "s", .min = 0, .max = 86400})};
  static constexpr base::Table table{"gap", "Rest between trials", fields, "seconds",
                                     base::Merging::whole};
  return table;
}

const base::Table& Timeouts::table() {
  static constexpr std::array fields{
      field<&Timeouts::load_s>("load_s", "Longest load (default: that of the trial)",
                               {.unit = "s", .min = 0, .above_min = true}),
      field<&Timeouts::warmup_s>("warmup_s",
                                 "Longest warm-up (default: 5 × measure.warmup.max_s, at least 60)",
                                 {.unit = "s", .min = 0, .above_min = true}),
      field<&Timeouts::window_s>("window_s",
                                 "Longest window (default: that of a trial of one window)",
                                 {.unit = "s", .min = 0, .above_min = true}),
      field<&Timeouts::silence_s>(
          "silence_s",
          "Longest time without a word of the engine while it loads and tokenises (default 300)",
          {.unit = "s", .min = 0, .above_min = true})};
  static constexpr base::Table table{"timeouts", "Longest time of each phase", fields};
  return table;
}

const base::Table& Sentinel::table() {
  static constexpr std::array fields{field<&Sentinel::every>(
      "every", "Trials between two runs of the reference", {.min = 1, .required = true})};
  static constexpr base::Table table{"sentinel", "A reference configuration repeated to see drift",
                                     fields, "every"};
  return table;
}

const base::Table& Notify::table() {
  static constexpr std::array fields{field<&Notify::url>(
      "url", "http(s) address that receives the summary as JSON", {.min = 1, .required = true})};
  static constexpr base::Table table{"notify", "Whom to tell when the study has ended", fields,
                                     "url"};
  return table;
}

const base::Table& Precision::table() {
  static constexpr std::array fields{
      field<&Precision::relative_half_width>(
          "relative_half_width",
          "Half the 95 % interval over cycles, as a share of the value: 0.01 is 1 %",
          {.min = 0, .max = 0.5, .above_min = true, .required = true}),
      field<&Precision::metric>("metric", "The number whose interval is meant"),
      field<&Precision::min_cycles>("min_cycles",
                                    "Fewest cycles of each configuration (full 10, quick 5)",
                                    {.min = 3, .max = 10000}),
      field<&Precision::max_cycles>(
          "max_cycles", "The study ends after so many cycles (default: 40, at least min_cycles)",
          {.min = 3, .max = 10000}),
      field<&Precision::budget_s>("budget_s",
                                  "The study ends after the cycle in which so much time is used up",
                                  {.unit = "s", .min = 0, .above_min = true})};
  static constexpr base::Table table{"precision",
                                     "Cycles follow until every configuration is known so well",
                                     fields, "relative_half_width"};
  return table;
}

const base::Table& Study::table() {
  static constexpr std::array fields{
      field<&Study::cycles>("cycles",
                            "How often each configuration is measured, each in a fresh "
                            "process",
                            {.min = 1, .max = 10000}),
      field<&Study::precision>("precision",
                               "Cycles follow until every configuration is known so well; in place "
                               "of cycles"),
      field<&Study::order>("order",
                           "blocks: every configuration once a cycle, at random; sequential: all "
                           "cycles of one, then the next; interleaved: every cycle as in the file; "
                           "shuffled: all at random; latin_square: Williams square"),
      field<&Study::seed>("seed", "Seed of the order (default: from the configurations)",
                          {.min = 0}),
      field<&Study::gap>("gap", "Rest between trials"),
      field<&Study::cycle_gap>("cycle_gap", "Rest where a new cycle begins (default: gap)"),
      field<&Study::timeout_s>("timeout_s",
                               "Longest time of one trial (default: 5 × its phases, at least 600)",
                               {.unit = "s", .min = 1}),
      field<&Study::timeouts>("timeouts", "Longest time of each phase"),
      field<&Study::retries>("retries", "Further attempts at a trial that failed",
                             {.min = 0, .max = 100}),
      field<&Study::max_consecutive_failures>("max_consecutive_failures",
                                              "The study stops after so many failures in a row",
                                              {.min = 1}),
      field<&Study::sentinel>("sentinel", "A reference configuration repeated to see drift"),
      field<&Study::stop_on_failure>("stop_on_failure", "The study stops at the first failure"),
      field<&Study::notify>("notify", "Whom to tell when the study has ended")};
  static constexpr base::Table table{"study", "How the experiment is designed", fields};
  return table;
}

const base::Table& StudyConfig::table() {
  static constexpr std::array fields{
      field<&StudyConfig::name>("name", "Name of the study (default: the file's)"),
      field<&StudyConfig::base>("base", "Study file whose content lies beneath this one"),
      field<&StudyConfig::model>("model", "What is deployed; held constant", {.required = true}),
      field<&StudyConfig::workload>("workload", "What is asked of the model; held constant"),
      field<&StudyConfig::deploy>("deploy", "How the model is deployed: what varies"),
      field<&StudyConfig::measure>("measure", "How to measure"),
      field<&StudyConfig::study>("study", "How the experiment is designed"),
      field<&StudyConfig::sweep>("sweep", "Dotted path to levels; every combination is a point"),
      field<&StudyConfig::zip>("zip", "Maps of dotted path to levels that advance together"),
      field<&StudyConfig::variants>("variants", "Factor to named bundles of dotted path and value"),
      field<&StudyConfig::exclude>("exclude", "Partial points to leave out"),
      field<&StudyConfig::include>("include", "Further points"),
      field<&StudyConfig::experiments>("experiments", "Points written out, each over the rest")};
  static constexpr base::Table table{"study_file", "A study", fields};
  return table;
}

}  // namespace llem::domain
