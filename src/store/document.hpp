#pragma once

// Owns: JSON documents that name their schema.

#include <string_view>

#include "base/error.hpp"
#include "base/field_io.hpp"
#include "base/json.hpp"
#include "sys/file.hpp"

namespace llem::store {

/// Indented, atomically, with a final newline. A number that is not finite is an internal error
/// that names its field (code "not_finite"); nothing is written then.
Expected<void> write_document(const sys::Path& path, const base::Json& document);

/// Refuses another schema than `schema` and another major version than 1.
Expected<base::Json> read_document(const sys::Path& path, std::string_view schema);

template <base::Described T>
Expected<T> read_document_as(const sys::Path& path, std::string_view schema) {
  LLEM_ASSIGN(const base::Json document, read_document(path, schema));
  return base::read_json_struct<T>(document, path.string());
}

}  // namespace llem::store
