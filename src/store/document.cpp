#include "store/document.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/finite.hpp"

namespace llem::store {

Expected<void> write_document(const sys::Path& path, const base::Json& document) {
  if (const auto field = base::find_not_finite(document)) {
    return failure(
        ErrorKind::internal,
        fmt::format("`{}` cannot be written: `{}` is no finite number", path.string(), *field),
        "report it with worker.log", "not_finite");
  }
  return sys::write_file_atomic(path, base::write_json(document, base::JsonStyle::indented) + "\n");
}

Expected<base::Json> read_document(const sys::Path& path, std::string_view schema) {
  LLEM_ASSIGN(const std::string text, sys::read_file(path));
  auto document = base::parse_json(text);
  if (!document) {
    Error error = std::move(document).error();
    error.kind = ErrorKind::io;
    return tl::unexpected<Error>(std::move(error).at(path.string()));
  }
  const std::string_view name = document->text_or("schema", "");
  if (name != schema) {
    return failure(
        ErrorKind::io,
        fmt::format("`{}` is no {} document (its schema is `{}`)", path.string(), schema, name),
        "the file was moved or written by another program", "wrong_schema");
  }
  const std::string_view version = document->text_or("schema_version", "");
  if (!version.starts_with("1.")) {
    return failure(
        ErrorKind::io,
        fmt::format("`{}` has schema version `{}`; this program reads 1.x", path.string(), version),
        "use the version of llem that wrote it, or a newer one", "newer_version");
  }
  return document;
}

}  // namespace llem::store
