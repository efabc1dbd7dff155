#pragma once

// Owns: getting one file into the cache from the first of several sources that has it, verified.

#include <cstdint>
#include <string>
#include <vector>

#include "assets/assets.hpp"
#include "assets/catalogue.hpp"

namespace llem::assets {

struct Wanted {
  std::string what;  // as shown: "smollm2-135m"
  AssetKind kind = AssetKind::model;
  Path target;              // in the cache
  std::string sha256;       // empty: whatever the source has
  std::uint64_t bytes = 0;  // 0: unknown
  std::vector<Source> sources;
};

/// Where an alias's file lies once it is here.
Path cache_path(const Asset& asset);
/// Where a hub repository's file lies once it is here.
Path cache_path(const HubFile& file);

/// The file's hash; the file is at `wanted.target` and right. A second process that wants the same
/// file waits for the first. A file with another hash than wanted never appears under the target's
/// name.
Expected<std::string> obtain(const Wanted& wanted, Fetch fetch, const FetchProgress& progress);

}  // namespace llem::assets
