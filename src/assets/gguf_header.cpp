#include "assets/gguf_header.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace llem::assets {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF files are read in place");

constexpr std::string_view kMagic = "GGUF";
constexpr std::uint32_t kOldest = 2;
constexpr std::uint32_t kNewest = 3;
/// Longest key or tensor name; ggml allows 65535 and 63.
constexpr std::uint64_t kLongestName = 65535;
/// Arrays up to this length may hold a number per layer; longer ones (vocabularies) are only
/// counted.
constexpr std::uint64_t kPerLayer = 4096;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint64_t kLargestAlignment = std::uint64_t{1} << 20;

enum class ValueType : std::uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  text,
  array,
  u64,
  i64,
  f64
};

tl::unexpected<Error> bad(std::string message, std::string code = "bad_gguf") {
  return failure(ErrorKind::preflight, std::move(message),
                 "the file is damaged or incomplete: get it again", std::move(code));
}

/// Reads front to back; after the bytes run out everything is zero and `ended` says so.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}

  bool ended() const { return ended_; }

  std::uint64_t position() const { return position_; }

  std::uint64_t left() const { return bytes_.size() - position_; }

  template <class T>
  T number() {
    T value{};
    if (take(sizeof(T))) {
      std::memcpy(&value, bytes_.data() + position_ - sizeof(T), sizeof(T));
    }
    return value;
  }

  std::string_view text() {
    const auto size = number<std::uint64_t>();
    return take(size) ? bytes_.substr(position_ - size, size) : std::string_view();
  }

  bool take(std::uint64_t size) {
    if (ended_ || size > left()) {
      ended_ = true;
      return false;
    }
    position_ += size;
    return true;
  }

 private:
  std::string_view bytes_;
  std::uint64_t position_ = 0;
  bool ended_ = false;
};

template <class T>
std::int64_t to_integer(T value) {
  if constexpr (sizeof(T) == sizeof(std::int64_t) && !std::numeric_limits<T>::is_signed) {
    constexpr auto kLargest = static_cast<T>(std::numeric_limits<std::int64_t>::max());
    return static_cast<std::int64_t>(std::min(value, kLargest));
  } else {
    return value;
  }
}

/// A scalar; nothing for a type that is none.
std::optional<GgufValue> read_scalar(Cursor& cursor, ValueType type) {
  switch (type) {
    case ValueType::u8:
      return to_integer(cursor.number<std::uint8_t>());
    case ValueType::i8:
      return to_integer(cursor.number<std::int8_t>());
    case ValueType::u16:
      return to_integer(cursor.number<std::uint16_t>());
    case ValueType::i16:
      return to_integer(cursor.number<std::int16_t>());
    case ValueType::u32:
      return to_integer(cursor.number<std::uint32_t>());
    case ValueType::i32:
      return to_integer(cursor.number<std::int32_t>());
    case ValueType::u64:
      return to_integer(cursor.number<std::uint64_t>());
    case ValueType::i64:
      return cursor.number<std::int64_t>();
    case ValueType::f32:
      return static_cast<double>(cursor.number<float>());
    case ValueType::f64:
      return cursor.number<double>();
    case ValueType::boolean:
      return cursor.number<std::uint8_t>() != 0;
    case ValueType::text:
      return std::string(cursor.text());
    case ValueType::array:
      break;
  }
  return std::nullopt;
}

double to_double(const GgufValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return static_cast<double>(*integer);
  }
  if (const auto* boolean = std::get_if<bool>(&value)) {
    return *boolean ? 1 : 0;
  }
  const auto* real = std::get_if<double>(&value);
  return real != nullptr ? *real : 0;
}

std::optional<GgufArray> read_array(Cursor& cursor) {
  const auto type = static_cast<ValueType>(cursor.number<std::uint32_t>());
  GgufArray array;
  array.count = cursor.number<std::uint64_t>();
  const bool keep = array.count <= kPerLayer && type != ValueType::text;
  for (std::uint64_t i = 0; i < array.count && !cursor.ended(); ++i) {
    if (type == ValueType::text) {
      cursor.text();
      continue;
    }
    const auto value = read_scalar(cursor, type);
    if (!value) {
      return std::nullopt;  // arrays of arrays occur in no model
    }
    if (keep) {
      array.numbers.push_back(to_double(*value));
    }
  }
  return array;
}

class HeaderReader {
 public:
  HeaderReader(std::string_view bytes, std::uint64_t file_size)
      : cursor_(bytes), bytes_(bytes), file_size_(file_size) {}

  Expected<GgufHeader> read() {
    if (bytes_.substr(0, kMagic.size()) != kMagic.substr(0, bytes_.size()) || bytes_.empty()) {
      return failure(ErrorKind::preflight, "is not a GGUF file",
                     "a GGUF file begins with the letters GGUF; other formats are converted with "
                     "llama.cpp's convert_hf_to_gguf.py",
                     "not_gguf");
    }
    cursor_.take(kMagic.size());
    header_.version = cursor_.number<std::uint32_t>();
    const auto tensors = cursor_.number<std::uint64_t>();
    const auto values = cursor_.number<std::uint64_t>();
    if (cursor_.ended()) {
      return out_of_bytes();
    }
    LLEM_TRY(check_version());
    for (std::uint64_t i = 0; i < values; ++i) {
      LLEM_TRY(read_value());
    }
    for (std::uint64_t i = 0; i < tensors; ++i) {
      LLEM_TRY(read_tensor());
    }
    LLEM_TRY(find_data());
    return std::move(header_);
  }

 private:
  tl::unexpected<Error> out_of_bytes() const {
    if (bytes_.size() < file_size_) {
      return bad("has a header longer than the bytes looked at", "more_bytes");
    }
    return bad(fmt::format("is truncated: its header goes on after its {} bytes", file_size_),
               "truncated");
  }

  Expected<void> check_version() const {
    if (header_.version >= kOldest && header_.version <= kNewest) {
      return {};
    }
    // A big-endian file has its version in the upper bytes.
    const bool swapped = (header_.version & 0xffff) == 0 && header_.version != 0;
    return failure(ErrorKind::preflight,
                   swapped ? "is a big-endian GGUF file"
                           : fmt::format("has GGUF version {}; this program reads {} and {}",
                                         header_.version, kOldest, kNewest),
                   swapped ? "get the little-endian file of this model"
                           : "convert the model again with a present llama.cpp",
                   "unsupported_gguf");
  }

  Expected<std::string> read_name(std::string_view what) {
    const std::string_view name = cursor_.text();
    if (cursor_.ended()) {
      return out_of_bytes();
    }
    if (name.empty() || name.size() > kLongestName) {
      return bad(fmt::format("has a {} of {} bytes at byte {}", what, name.size(),
                             cursor_.position() - name.size()));
    }
    return std::string(name);
  }

  Expected<void> read_value() {
    LLEM_ASSIGN(std::string key, read_name("key"));
    const auto type = static_cast<ValueType>(cursor_.number<std::uint32_t>());
    std::optional<GgufValue> value;
    if (type == ValueType::array) {
      value = read_array(cursor_);
    } else {
      value = read_scalar(cursor_, type);
    }
    if (cursor_.ended()) {
      return out_of_bytes();
    }
    if (!value) {
      return bad(fmt::format("has a value of unknown type before byte {}", cursor_.position()));
    }
    if (!header_.values.emplace(std::move(key), *std::move(value)).second) {
      return bad(fmt::format("has a key twice, before byte {}", cursor_.position()));
    }
    return {};
  }

  Expected<void> read_tensor() {
    GgufTensor tensor;
    LLEM_ASSIGN(tensor.name, read_name("tensor name"));
    const auto dimensions = cursor_.number<std::uint32_t>();
    if (!cursor_.ended() && dimensions > tensor.shape.size()) {
      return bad(fmt::format("has a tensor of {} dimensions before byte {}", dimensions,
                             cursor_.position()));
    }
    for (std::size_t i = 0; i < dimensions && !cursor_.ended(); ++i) {
      tensor.shape[i] = cursor_.number<std::uint64_t>();
    }
    tensor.type = cursor_.number<std::uint32_t>();
    tensor.offset = cursor_.number<std::uint64_t>();
    if (cursor_.ended()) {
      return out_of_bytes();
    }
    header_.tensors.push_back(std::move(tensor));
    return {};
  }

  Expected<void> find_data() {
    std::uint64_t alignment = kDefaultAlignment;
    if (const auto found = header_.values.find("general.alignment");
        found != header_.values.end()) {
      const auto* value = std::get_if<std::int64_t>(&found->second);
      alignment = value != nullptr && *value > 0 ? static_cast<std::uint64_t>(*value) : 0;
      if (!std::has_single_bit(alignment) || alignment > kLargestAlignment) {
        return bad("has an alignment that is no power of two");
      }
    }
    header_.data_begin = (cursor_.position() + alignment - 1) / alignment * alignment;
    return {};
  }

  Cursor cursor_;
  std::string_view bytes_;
  std::uint64_t file_size_;
  GgufHeader header_;
};

}  // namespace

Expected<GgufHeader> parse_gguf_header(std::string_view bytes, std::uint64_t file_size) {
  return HeaderReader(bytes, file_size).read();
}

}  // namespace llem::assets
