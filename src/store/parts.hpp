#pragma once

// Owns: cutting the rows of a long table into parts, so that only one of them is copied at a time.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace llem::store {

/// Rows of one list among several: a trace, the tokens or the steps of a serve.
struct Piece {
  std::size_t list = 0;
  std::size_t from = 0;
  std::size_t to = 0;
};

using Pieces = std::vector<Piece>;

inline std::size_t rows_of(const Pieces& pieces) {
  std::size_t rows = 0;
  for (const Piece& piece : pieces) {
    rows += piece.to - piece.from;
  }
  return rows;
}

/// The rows of lists that follow one another, cut into parts of which one at a time is copied.
class Parts {
 public:
  static constexpr std::size_t kRows = std::size_t{1} << 16;  // of a part, the last one excepted

  explicit Parts(std::vector<std::size_t> sizes) : sizes_(std::move(sizes)) {}

  /// The first part has no rows when no list has any; absent after the last.
  std::optional<Pieces> next() {
    Pieces pieces;
    std::size_t room = kRows;
    while (room > 0 && list_ < sizes_.size()) {
      const std::size_t to = std::min(sizes_[list_], from_ + room);
      if (to > from_) {
        pieces.push_back({list_, from_, to});
        room -= to - from_;
      }
      from_ = to;
      if (from_ == sizes_[list_]) {
        ++list_;
        from_ = 0;
      }
    }
    // A table without rows still has columns.
    const bool first = !std::exchange(started_, true);
    return pieces.empty() && !first ? std::nullopt : std::optional(std::move(pieces));
  }

 private:
  std::vector<std::size_t> sizes_;
  std::size_t list_ = 0;
  std::size_t from_ = 0;
  bool started_ = false;
};

}  // namespace llem::store
