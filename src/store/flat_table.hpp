#pragma once

// Owns: structs as rows of flat columns, through their field tables. A nested field's column is its
// dotted path with '_' for '.'; the `value` of a quantity goes by the quantity's own name. Lists,
// maps and free JSON have no column.

#include <cstddef>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/field.hpp"
#include "store/parquet.hpp"

namespace llem::store {

/// A field without parts and the way to it.
struct Leaf {
  std::string name;
  std::string unit;
  std::vector<const base::FieldInfo*> way;
  const base::TypeInfo* type = nullptr;  // of the value, any optional taken off
  bool nullable = false;
};

std::vector<Leaf> leaves_of(const base::Table& table);

/// Rows to columns.
class FlatWriter {
 public:
  explicit FlatWriter(const base::Table& table);
  void add(const void* object);

  std::vector<Column> take() && { return std::move(columns_); }

 private:
  std::vector<Leaf> leaves_;
  std::vector<Column> columns_;
};

/// Columns to rows. Fields without a column keep what they have.
class FlatReader {
 public:
  /// Refuses columns of another type than the field's.
  static Expected<FlatReader> open(const base::Table& table, const ParquetTable& columns);
  Expected<void> read(std::size_t row, void* object) const;

 private:
  struct Bound {
    Leaf leaf;
    const Column* column;
  };

  std::vector<Bound> bound_;
};

}  // namespace llem::store
