#include "engines/served_files.hpp"

#include <cerrno>
#include <fstream>
#include <span>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "sys/system_error.hpp"

namespace llem::engines {

Expected<protocol::ServeFile> read_serve_file(const std::string& path) {
  LLEM_ASSIGN(const std::string text, sys::read_file(path));
  LLEM_ASSIGN(const base::Json json, base::parse_json(text));
  return base::read_json_struct<protocol::ServeFile>(json, path);
}

Expected<std::vector<std::int64_t>> read_integers(const sys::Path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) {
    return sys::io_failure("read", path, error ? error.value() : errno);
  }
  std::vector<std::int64_t> numbers(size / sizeof(std::int64_t));
  const std::span<std::byte> bytes = std::as_writable_bytes(std::span(numbers));
  if (bytes.size() != size ||
      !file.read(reinterpret_cast<char*>(bytes.data()), std::ssize(bytes))) {
    return failure(ErrorKind::engine, fmt::format("`{}` is torn", path.string()), {},
                   "protocol_error");
  }
  return numbers;
}

}  // namespace llem::engines
