// Any text as a manifest: each line is read or refused, and what was read folds.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "store/run_directory.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<llem::store::ManifestLine> lines;
  std::vector<llem::store::BlockLine> blocks;
  for (const std::string_view line : llem::base::split(text, '\n')) {
    if (auto parsed = llem::store::parse_manifest_line(line)) {
      lines.push_back(*std::move(parsed));
    }
    if (auto parsed = llem::store::parse_block_line(line)) {
      blocks.push_back(*std::move(parsed));
    }
  }
  (void)llem::store::fold_manifest(lines);
  (void)llem::store::fold_blocks(blocks);
  return 0;
}
