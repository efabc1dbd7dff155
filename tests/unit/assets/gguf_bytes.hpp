#pragma once

// Owns: GGUF files built byte by byte, right ones and wrong ones.

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace llem::test {

class GgufBytes {
 public:
  explicit GgufBytes(std::uint32_t version = 3) : version_(version) {}

  template <class T>
  static std::string raw(T value) {
    std::string bytes(sizeof(T), '\0');
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
  }

  static std::string text(std::string_view value) {
    return raw<std::uint64_t>(value.size()) + std::string(value);
  }

  GgufBytes& put(std::string_view key, std::uint32_t type, std::string_view bytes) {
    values_ += text(key) + raw(type) + std::string(bytes);
    ++value_count;
    return *this;
  }

  GgufBytes& put(std::string_view key, std::uint32_t value) { return put(key, 4, raw(value)); }

  GgufBytes& put(std::string_view key, const char* value) { return put(key, 8, text(value)); }

  GgufBytes& put(std::string_view key, const std::vector<std::uint32_t>& list) {
    std::string bytes = raw<std::uint32_t>(4) + raw<std::uint64_t>(list.size());
    for (const std::uint32_t item : list) {
      bytes += raw(item);
    }
    return put(key, 9, bytes);
  }

  /// `bytes` of data follow those of the tensors before, aligned to 32.
  GgufBytes& tensor(std::string_view name, const std::vector<std::uint64_t>& shape,
                    std::uint32_t type, std::uint64_t bytes) {
    tensors_ += text(name) + raw(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t extent : shape) {
      tensors_ += raw(extent);
    }
    tensors_ += raw(type) + raw(data_size_);
    data_size_ = (data_size_ + bytes + 31) / 32 * 32;
    ++tensor_count;
    return *this;
  }

  std::string header() const {
    return "GGUF" + raw(version_) + raw(tensor_count) + raw(value_count) + values_ + tensors_;
  }

  std::string file() const {
    std::string bytes = header();
    bytes.resize((bytes.size() + 31) / 32 * 32 + data_size_, '\0');
    return bytes;
  }

  std::uint64_t tensor_count = 0;
  std::uint64_t value_count = 0;

 private:
  std::uint32_t version_;
  std::string values_;
  std::string tensors_;
  std::uint64_t data_size_ = 0;
};

/// Two layers of width 64 with tied embeddings; the matrices as Q4_0.
inline GgufBytes tiny_model(std::uint32_t version = 3) {
  GgufBytes model(version);
  model.put("general.architecture", "llama")
      .put("general.name", "Tiny")
      .put("general.file_type", 2U)
      .put("llama.block_count", 2U)
      .put("llama.embedding_length", 64U)
      .put("llama.feed_forward_length", 96U)
      .put("llama.attention.head_count", 4U)
      .put("llama.attention.head_count_kv", 2U)
      .put("llama.context_length", 512U)
      .tensor("token_embd.weight", {64, 100}, 2, 64 / 32 * 18 * 100)
      .tensor("blk.0.ffn_gate.weight", {64, 96}, 2, 64 / 32 * 18 * 96)
      .tensor("blk.0.ffn_up.weight", {64, 96}, 2, 64 / 32 * 18 * 96)
      .tensor("blk.0.attn_norm.weight", {64}, 0, 64 * 4);
  return model;
}

}  // namespace llem::test
