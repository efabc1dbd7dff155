#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fcntl.h>
#include <map>
#include <numeric>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "assets/assets.hpp"
#include "assets/ggml_types.hpp"
#include "assets/gguf_header.hpp"
#include "base/text.hpp"
#include "sys/fd.hpp"
#include "sys/system_error.hpp"

namespace llem::assets {
namespace {

/// Headers are mostly vocabulary: 2 to 15 MB. Longer than the last is no header.
constexpr std::uint64_t kFirstRead = std::uint64_t{4} << 20;
constexpr std::uint64_t kLongestHeader = std::uint64_t{1} << 29;
/// Beyond this a count or width is no fact of a model (and no exact double).
constexpr double kAbsurd = 1e15;

tl::unexpected<Error> bad(std::string message, std::string hint, std::string code) {
  return failure(ErrorKind::preflight, std::move(message), std::move(hint), std::move(code));
}

struct TensorSize {
  std::uint64_t elements = 0;
  std::optional<std::uint64_t> bytes;  // absent when the type is unknown
};

Expected<TensorSize> size_of(const GgufTensor& tensor) {
  TensorSize size{1, std::nullopt};
  for (const std::uint64_t extent : tensor.shape) {
    if (extent == 0 || __builtin_mul_overflow(size.elements, extent, &size.elements) ||
        static_cast<double>(size.elements) > kAbsurd) {
      return bad(fmt::format("has a tensor `{}` of an absurd shape", base::valid_utf8(tensor.name)),
                 "the file is damaged: get it again", "bad_gguf");
    }
  }
  if (const GgmlType* type = find_ggml_type(tensor.type)) {
    if (tensor.shape[0] % type->block_elements != 0) {
      return bad(fmt::format("has a tensor `{}` whose rows are no whole {} blocks",
                             base::valid_utf8(tensor.name), type->name),
                 "the file is damaged: get it again", "bad_gguf");
    }
    size.bytes = size.elements / type->block_elements * type->block_bytes;
  }
  return size;
}

/// The facts one by one, from metadata of one architecture.
class FactReader {
 public:
  FactReader(const GgufHeader& header, std::uint64_t file_size)
      : header_(header), file_size_(file_size) {}

  Expected<domain::ModelFacts> read() {
    if (header_.tensors.empty()) {
      return bad("holds no weights (a vocabulary alone)", "get the model file itself", "bad_gguf");
    }
    if (const auto parts = number("split.count"); parts && *parts > 1) {
      return bad(fmt::format("is one of {} parts of a model", *parts),
                 "merge them into one file with llama.cpp's llama-gguf-split --merge",
                 "split_gguf");
    }
    facts_.architecture = text("general.architecture");
    if (!facts_.architecture) {
      return bad("does not say its architecture", "the file is no language model or damaged",
                 "bad_gguf");
    }
    LLEM_TRY(read_tensors());
    facts_.name = text("general.name");
    read_shape();
    return std::move(facts_);
  }

 private:
  const GgufValue* find(std::string_view key) const {
    const auto found = header_.values.find(key);
    return found == header_.values.end() ? nullptr : &found->second;
  }

  std::optional<std::string> text(std::string_view key) const {
    const GgufValue* value = find(key);
    const auto* held = value != nullptr ? std::get_if<std::string>(value) : nullptr;
    return held != nullptr && !held->empty() ? std::optional(base::valid_utf8(*held))
                                             : std::nullopt;
  }

  /// A positive number; of an array, its mean (layers may differ).
  std::optional<std::int64_t> number(std::string_view key) const {
    const GgufValue* value = find(key);
    double held = 0;
    if (value == nullptr) {
      return std::nullopt;
    }
    if (const auto* integer = std::get_if<std::int64_t>(value)) {
      held = static_cast<double>(*integer);
    } else if (const auto* array = std::get_if<GgufArray>(value);
               array != nullptr && !array->numbers.empty()) {
      held = std::accumulate(array->numbers.begin(), array->numbers.end(), 0.0) /
             static_cast<double>(array->numbers.size());
    }
    // The comparison also turns NaN away.
    return held >= 0.5 && held < kAbsurd ? std::optional(std::llround(held)) : std::nullopt;
  }

  std::optional<std::int64_t> of_model(std::string_view name) const {
    return number(fmt::format("{}.{}", *facts_.architecture, name));
  }

  const GgufTensor* tensor(std::string_view name) const {
    const auto found = std::ranges::find(header_.tensors, name, &GgufTensor::name);
    return found == header_.tensors.end() ? nullptr : &*found;
  }

  Expected<void> read_tensors() {
    std::uint64_t elements = 0;
    std::uint64_t bytes = 0;
    std::uint64_t end = header_.data_begin;
    bool all_known = true;
    std::map<std::string_view, std::uint64_t> bytes_by_type;
    for (const GgufTensor& tensor : header_.tensors) {
      LLEM_ASSIGN(const TensorSize size, size_of(tensor));
      std::uint64_t tensor_end = header_.data_begin;
      if (__builtin_add_overflow(tensor_end, tensor.offset, &tensor_end) ||
          __builtin_add_overflow(tensor_end, size.bytes.value_or(0), &tensor_end)) {
        return bad(
            fmt::format("has a tensor `{}` at an absurd place", base::valid_utf8(tensor.name)),
            "the file is damaged: get it again", "bad_gguf");
      }
      end = std::max(end, tensor_end);
      elements += size.elements;
      all_known = all_known && size.bytes.has_value();
      bytes += size.bytes.value_or(0);
      if (size.bytes) {
        bytes_by_type[find_ggml_type(tensor.type)->name] += *size.bytes;
      }
      if (tensor.name == "token_embd.weight") {
        facts_.embedding_bytes = to_signed(size.bytes);
      } else if (tensor.name == "output.weight") {
        facts_.output_bytes = to_signed(size.bytes);
      }
    }
    if (end > file_size_) {
      return bad(
          fmt::format("is truncated: it has {} bytes, its weights end at byte {}", file_size_, end),
          "the download or copy was cut short: get the file again", "truncated");
    }
    facts_.parameters = static_cast<std::int64_t>(elements);
    if (all_known) {
      facts_.bytes = static_cast<std::int64_t>(bytes);
    }
    facts_.file_type = std::string(file_type_name(number("general.file_type").value_or(-1)));
    if (facts_.file_type->empty()) {
      const auto most = std::ranges::max_element(
          bytes_by_type, {}, &std::pair<const std::string_view, std::uint64_t>::second);
      facts_.file_type.reset();
      if (most != bytes_by_type.end()) {
        facts_.file_type = std::string(most->first);
      }
    }
    return {};
  }

  static std::optional<std::int64_t> to_signed(std::optional<std::uint64_t> value) {
    return value ? std::optional(static_cast<std::int64_t>(*value)) : std::nullopt;
  }

  void read_shape() {
    facts_.layers = of_model("block_count");
    facts_.width = of_model("embedding_length");
    facts_.heads = of_model("attention.head_count");
    // llama.cpp takes as many key-value heads as heads where the file does not say.
    facts_.kv_heads = of_model("attention.head_count_kv");
    if (!facts_.kv_heads) {
      facts_.kv_heads = facts_.heads;
    }
    facts_.head_width = of_model("attention.key_length");
    if (!facts_.head_width && facts_.width && facts_.heads && *facts_.width % *facts_.heads == 0) {
      facts_.head_width = *facts_.width / *facts_.heads;
    }
    facts_.context_length = of_model("context_length");
    facts_.sliding_window = of_model("attention.sliding_window");
    facts_.experts = of_model("expert_count");
    facts_.experts_active = of_model("expert_used_count");
    facts_.ffn_width = of_model("feed_forward_length");
    if (facts_.experts) {
      if (const auto width = of_model("expert_feed_forward_length")) {
        facts_.ffn_width = width;
      }
    }
    const GgufTensor* embedding = tensor("token_embd.weight");
    if (embedding != nullptr) {
      facts_.vocabulary = static_cast<std::int64_t>(embedding->shape[1]);
      facts_.tied_embeddings = tensor("output.weight") == nullptr;
    } else {
      facts_.vocabulary = of_model("vocab_size");
    }
    facts_.gated_mlp = is_gated();
  }

  /// Absent when the first layer has no feed-forward network of a known form.
  std::optional<bool> is_gated() const {
    for (const std::string_view gate :
         {"blk.0.ffn_gate.weight", "blk.0.ffn_gate_exps.weight", "blk.0.ffn_gate_up_exps.weight"}) {
      if (tensor(gate) != nullptr) {
        return true;
      }
    }
    const GgufTensor* up = tensor("blk.0.ffn_up.weight");
    if (up == nullptr) {
      return tensor("blk.0.ffn_up_exps.weight") != nullptr ? std::optional(false) : std::nullopt;
    }
    // Some architectures keep gate and up in one matrix of twice the width.
    return facts_.ffn_width && up->shape[1] == 2 * static_cast<std::uint64_t>(*facts_.ffn_width);
  }

  const GgufHeader& header_;
  std::uint64_t file_size_;
  domain::ModelFacts facts_;
};

/// Up to `limit` bytes from the begin of a file.
Expected<std::string> read_begin(const Path& path, std::uint64_t limit) {
  const sys::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    return sys::io_failure("read", path, errno);
  }
  std::string bytes(limit, '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(fd.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return sys::io_failure("read", path, errno);
    }
    if (got == 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace

Expected<domain::ModelFacts> parse_gguf(std::string_view bytes, std::uint64_t file_size) {
  LLEM_ASSIGN(const GgufHeader header, parse_gguf_header(bytes, file_size));
  return FactReader(header, file_size).read();
}

Expected<domain::ModelFacts> read_gguf_facts(const Path& path) {
  std::error_code error;
  const std::uint64_t file_size = std::filesystem::file_size(path, error);
  if (error) {
    return sys::io_failure("read", path, error.value());
  }
  for (std::uint64_t limit = kFirstRead;; limit *= 4) {
    LLEM_ASSIGN(const std::string bytes, read_begin(path, std::min(limit, file_size)));
    auto facts = parse_gguf(bytes, file_size);
    if (facts) {
      return facts;
    }
    if (facts.error().code != "more_bytes" || limit >= kLongestHeader) {
      Error failed = std::move(facts).error();
      failed.message = fmt::format("`{}` {}", path.string(), failed.message);
      return tl::unexpected<Error>(std::move(failed));
    }
  }
}

}  // namespace llem::assets
