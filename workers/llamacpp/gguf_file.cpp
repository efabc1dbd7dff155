#include "llamacpp/gguf_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <gguf.h>
#include <memory>
#include <numeric>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::worker {

namespace {

struct GgufDelete {
  void operator()(gguf_context* file) const { gguf_free(file); }
};

using GgufHandle = std::unique_ptr<gguf_context, GgufDelete>;

tl::unexpected<Error> bad_model(std::string message, std::string hint = {}) {
  return failure(ErrorKind::engine, std::move(message), std::move(hint), "bad_model");
}

/// Typed access to the header. Scalars of any integer type count; arrays give one number a layer.
class Header {
 public:
  explicit Header(const gguf_context* file) : file_(file) {
    architecture_ = text("general.architecture").value_or("");
  }

  const std::string& architecture() const { return architecture_; }

  std::optional<std::string> text(std::string_view key) const {
    const std::int64_t id = find(key);
    if (id < 0 || gguf_get_kv_type(file_, id) != GGUF_TYPE_STRING) {
      return std::nullopt;
    }
    return base::valid_utf8(gguf_get_val_str(file_, id));
  }

  /// `<architecture>.<name>`; of an array over layers the mean, rounded: sums over layers stay
  /// right.
  std::optional<std::int64_t> number(std::string_view name) const {
    const std::int64_t id = find(fmt::format("{}.{}", architecture_, name));
    if (id < 0) {
      return std::nullopt;
    }
    if (gguf_get_kv_type(file_, id) != GGUF_TYPE_ARRAY) {
      return scalar(gguf_get_kv_type(file_, id), gguf_get_val_data(file_, id));
    }
    return mean(id);
  }

  bool has(std::string_view name) const {
    return find(fmt::format("{}.{}", architecture_, name)) >= 0;
  }

  std::int64_t tensor(std::string_view name) const {
    return gguf_find_tensor(file_, std::string(name).c_str());
  }

  std::optional<std::int64_t> tensor_bytes(std::string_view name) const {
    const std::int64_t id = tensor(name);
    return id < 0 ? std::nullopt
                  : std::optional(static_cast<std::int64_t>(gguf_get_tensor_size(file_, id)));
  }

  std::optional<std::int64_t> tensor_rows(std::string_view name) const {
    const std::int64_t id = tensor(name);
    return id < 0 ? std::nullopt : std::optional(gguf_get_tensor_ne(file_, id)[1]);
  }

 private:
  std::int64_t find(std::string_view key) const {
    return gguf_find_key(file_, std::string(key).c_str());
  }

  template <class T>
  static std::int64_t as(const void* data) {
    T value{};
    std::memcpy(&value, data, sizeof value);
    return static_cast<std::int64_t>(value);
  }

  static std::optional<std::int64_t> scalar(gguf_type type, const void* data) {
    switch (type) {  // NOLINT(clang-diagnostic-switch-enum)
      case GGUF_TYPE_UINT8:
      case GGUF_TYPE_BOOL:
        return as<std::uint8_t>(data);
      case GGUF_TYPE_INT8:
        return as<std::int8_t>(data);
      case GGUF_TYPE_UINT16:
        return as<std::uint16_t>(data);
      case GGUF_TYPE_INT16:
        return as<std::int16_t>(data);
      case GGUF_TYPE_UINT32:
        return as<std::uint32_t>(data);
      case GGUF_TYPE_INT32:
        return as<std::int32_t>(data);
      case GGUF_TYPE_UINT64:
        return as<std::uint64_t>(data);
      case GGUF_TYPE_INT64:
        return as<std::int64_t>(data);
      case GGUF_TYPE_FLOAT32:
      case GGUF_TYPE_FLOAT64:
      case GGUF_TYPE_STRING:
      case GGUF_TYPE_ARRAY:
      case GGUF_TYPE_COUNT:
        return std::nullopt;
    }
    return std::nullopt;
  }

  static std::size_t size_of(gguf_type type) {
    constexpr std::array<std::size_t, GGUF_TYPE_COUNT> sizes{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return sizes.at(static_cast<std::size_t>(type));
  }

  std::optional<std::int64_t> mean(std::int64_t id) const {
    const gguf_type type = gguf_get_arr_type(file_, id);
    const std::size_t count = gguf_get_arr_n(file_, id);
    if (count == 0 || type == GGUF_TYPE_STRING || type == GGUF_TYPE_ARRAY) {
      return std::nullopt;
    }
    const auto* data = static_cast<const std::byte*>(gguf_get_arr_data(file_, id));
    double sum = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const auto value = scalar(type, data + i * size_of(type));
      if (!value) {
        return std::nullopt;
      }
      sum += static_cast<double>(*value);
    }
    return std::llround(sum / static_cast<double>(count));
  }

  const gguf_context* file_;
  std::string architecture_;
};

Expected<std::uint64_t> check_file(const std::string& path) {
  struct stat status{};
  if (path.empty() || ::stat(path.c_str(), &status) != 0) {
    return failure(ErrorKind::engine,
                   fmt::format("no model file `{}`: {}", path, std::strerror(errno)), {},
                   "model_missing");
  }
  if (!S_ISREG(status.st_mode)) {
    return bad_model(fmt::format("`{}` is not a file", path), "llama.cpp takes one .gguf file");
  }
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> magic{};
  file.read(magic.data(), magic.size());
  if (!file.is_open()) {
    return failure(ErrorKind::engine,
                   fmt::format("cannot read the model file `{}`: {}", path, std::strerror(errno)),
                   {}, "model_missing");
  }
  if (std::string_view(magic.data(), static_cast<std::size_t>(file.gcount())) != "GGUF") {
    return bad_model(fmt::format("`{}` is not a GGUF file", path),
                     "llama.cpp takes models in the GGUF format");
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Expected<void> check_whole(const gguf_context* file, const std::string& path, std::uint64_t size) {
  std::uint64_t needed = gguf_get_data_offset(file);
  for (std::int64_t i = 0; i < gguf_get_n_tensors(file); ++i) {
    needed = std::max<std::uint64_t>(needed, gguf_get_data_offset(file) +
                                                 gguf_get_tensor_offset(file, i) +
                                                 gguf_get_tensor_size(file, i));
  }
  if (size < needed) {
    return bad_model(fmt::format("`{}` is cut short: {} of {} bytes are there", path, size, needed),
                     "download it again");
  }
  return {};
}

bool has_gate(const Header& header, const domain::ModelFacts& facts) {
  for (const char* name :
       {"blk.0.ffn_gate.weight", "blk.0.ffn_gate_exps.weight", "blk.0.ffn_gate_up_exps.weight"}) {
    if (header.tensor(name) >= 0) {
      return true;
    }
  }
  // Some models keep gate and up in one matrix of twice the rows.
  const auto rows = header.tensor_rows("blk.0.ffn_up.weight");
  return rows && facts.ffn_width && *rows == 2 * *facts.ffn_width;
}

std::optional<std::int64_t> ffn_width(const Header& header) {
  const auto dense = header.number("feed_forward_length");
  const auto expert = header.number("expert_feed_forward_length");
  return header.number("expert_count").value_or(0) > 0 && expert ? expert : dense;
}

}  // namespace

Expected<GgufFile> read_gguf(const std::string& path) {
  LLEM_ASSIGN(const std::uint64_t size, check_file(path));
  const GgufHandle file(gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = nullptr}));
  if (!file) {
    return bad_model(fmt::format("the header of `{}` is damaged or cut short", path),
                     "download it again");
  }
  LLEM_TRY(check_whole(file.get(), path, size));
  const Header header(file.get());
  GgufFile result;
  domain::ModelFacts& facts = result.facts;
  facts.name = header.text("general.name");
  facts.architecture = header.architecture();
  facts.layers = header.number("block_count");
  facts.width = header.number("embedding_length");
  facts.ffn_width = ffn_width(header);
  facts.heads = header.number("attention.head_count");
  facts.kv_heads = header.number("attention.head_count_kv");
  if (!facts.kv_heads) {
    facts.kv_heads = facts.heads;
  }
  facts.head_width = header.number("attention.key_length");
  if (!facts.head_width && facts.width && facts.heads.value_or(0) > 0) {
    facts.head_width = *facts.width / *facts.heads;
  }
  facts.context_length = header.number("context_length");
  facts.experts = header.number("expert_count");
  facts.experts_active = header.number("expert_used_count");
  facts.sliding_window = header.number("attention.sliding_window");
  facts.tied_embeddings = header.tensor("output.weight") < 0;
  facts.gated_mlp = has_gate(header, facts);
  facts.embedding_bytes = header.tensor_bytes("token_embd.weight");
  facts.output_bytes = header.tensor_bytes("output.weight");
  const auto tokenizer = header.text("tokenizer.ggml.model");
  result.has_tokenizer = tokenizer && *tokenizer != "no_vocab";
  result.plain_kv_cache = !facts.sliding_window && !header.has("attention.kv_lora_rank") &&
                          !header.has("ssm.state_size") &&
                          !header.has("attention.shared_kv_layers");
  return result;
}

}  // namespace llem::worker
