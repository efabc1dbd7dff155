#pragma once

// Owns: getting models and data sets onto this machine, verified by hash, and reading them.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "domain/recording.hpp"
#include "domain/study_config.hpp"
#include "sys/file.hpp"

namespace llem::assets {

using sys::Path;

/// Told while something is fetched: what, bytes so far, bytes in all (0 unknown).
using FetchProgress =
    std::function<void(const std::string& what, std::uint64_t done, std::uint64_t total)>;

enum class Fetch { yes, no };  // no: only what is already here (dry run, offline)

struct ResolvedModel {
  Path path;
  std::string sha256;
  std::string name;          // as shown: "SmolLM2-135M-Instruct"
  domain::ModelFacts facts;  // from the file's header, without loading weights
};

/// Alias, path or hub repository to a verified file. The first reachable source of the catalogue
/// wins; a wrong hash never passes. Hashes of local files are cached by (path, size, mtime, inode).
Expected<ResolvedModel> resolve_model(const domain::Model& model, Fetch fetch,
                                      const FetchProgress& progress = {});

struct PromptSet {
  std::string name;
  std::string sha256;
  Path path;
  std::vector<std::string> prompts;
  std::int64_t skipped = 0;  // blank lines of the file
  bool substituted = false;  // the small bundled set, because the one asked for could not be had
                             // (quick profile only)
};

/// Alias or file to prompts; `synthetic` has none, the schedule makes them. `allow_bundled`: under
/// the quick profile the bundled set stands in, and says so.
Expected<PromptSet> resolve_dataset(const domain::Dataset& dataset, Fetch fetch, bool allow_bundled,
                                    const FetchProgress& progress = {});

/// Header of a GGUF file: magic, version, metadata and tensor table only. Truncated, foreign and
/// absurd files are errors that say so.
Expected<domain::ModelFacts> read_gguf_facts(const Path& path);
/// The same from the first bytes of a file, for tests and fuzzing. `file_size` checks that all
/// tensors are there.
Expected<domain::ModelFacts> parse_gguf(std::string_view bytes, std::uint64_t file_size);

struct CatalogueEntry {
  std::string alias;
  std::string kind;  // model, dataset
  std::string title;
  std::string licence;
  std::int64_t bytes = 0;
  bool cached = false;
};

std::vector<CatalogueEntry> catalogue();

}  // namespace llem::assets
