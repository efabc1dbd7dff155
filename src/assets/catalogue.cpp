#include "assets/catalogue.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "assets/assets.hpp"
#include "assets/embedded.hpp"
#include "assets/fetch.hpp"
#include "base/field_io.hpp"
#include "base/log.hpp"
#include "sys/host.hpp"

namespace llem::assets {
namespace {

using base::field;

constexpr std::int64_t kVersion = 1;

/// A path that stays below the folder it is appended to.
bool is_inner_path(std::string_view text) {
  const Path path(text);
  return !text.empty() && path.is_relative() &&
         std::ranges::none_of(path, [](const Path& part) { return part == ".."; });
}

Expected<void> check_asset(const Asset& asset) {
  const auto wrong = [&](std::string_view what) {
    return failure(ErrorKind::config, fmt::format("`{}`: {}", asset.alias, what));
  };
  if (!is_sha256(asset.sha256)) {
    return wrong("sha256 must be 64 lower-case hexadecimal digits");
  }
  if (Path(asset.file).filename() != asset.file || asset.file.starts_with('.')) {
    return wrong("file must be a plain file name");
  }
  for (const Source& source : asset.sources) {
    if (source.hub.has_value() == source.wheel.has_value()) {
      return wrong("a source is either hub or wheel");
    }
    if (source.hub &&
        (!is_inner_path(source.hub->repository) || !is_inner_path(source.hub->file))) {
      return wrong("hub: repository and file must be relative paths");
    }
    if (source.wheel && !is_sha256(source.wheel->sha256)) {
      return wrong("wheel: sha256 must be 64 lower-case hexadecimal digits");
    }
  }
  return {};
}

Expected<Catalogue> parse_catalogue(std::string_view text, const std::string& place) {
  auto json = base::parse_json(text);
  if (!json) {
    return tl::unexpected<Error>(std::move(json).error().at(place));
  }
  if (const std::int64_t v = json->integer_or("v", 0); v != kVersion) {
    return failure(ErrorKind::config,
                   fmt::format("`{}` is no catalogue of version {}", place, kVersion));
  }
  LLEM_ASSIGN(Catalogue catalogue, base::read_json_struct<Catalogue>(*json, place));
  std::set<std::string_view> aliases;
  for (const Asset& asset : catalogue.entries) {
    auto checked = check_asset(asset);
    if (checked && !aliases.insert(asset.alias).second) {
      checked = failure(ErrorKind::config, fmt::format("`{}` stands there twice", asset.alias));
    }
    if (!checked) {
      return tl::unexpected<Error>(std::move(checked).error().at(place));
    }
  }
  return catalogue;
}

}  // namespace

std::span<const std::string_view> words(AssetKind) {
  static constexpr std::array<std::string_view, 2> kWords{"model", "dataset"};
  return kWords;
}

const base::Table& HubFile::table() {
  static constexpr std::array fields{
      field<&HubFile::repository>("repository", "Owner and name", {.min = 3, .required = true}),
      field<&HubFile::file>("file", "Path in the repository", {.min = 1, .required = true}),
      field<&HubFile::revision>("revision", "Commit, tag or branch", {.min = 1})};
  static constexpr base::Table table{"hub_file", "A file of a hub repository", fields};
  return table;
}

const base::Table& WheelMember::table() {
  static constexpr std::array fields{
      field<&WheelMember::project>("project", "Name of the project", {.min = 1, .required = true}),
      field<&WheelMember::version>("version", "Its version", {.min = 1, .required = true}),
      field<&WheelMember::sha256>("sha256", "Hash of the wheel", {.required = true}),
      field<&WheelMember::member>("member", "Path in the wheel", {.min = 1, .required = true})};
  static constexpr base::Table table{"wheel_member", "A file inside a Python wheel", fields};
  return table;
}

const base::Table& Source::table() {
  static constexpr std::array fields{field<&Source::hub>("hub", "In a hub repository"),
                                     field<&Source::wheel>("wheel", "In a Python wheel")};
  static constexpr base::Table table{"source", "Where to get a file", fields};
  return table;
}

const base::Table& Asset::table() {
  static constexpr std::array fields{
      field<&Asset::alias>("alias", "What a study calls it", {.min = 1, .required = true}),
      field<&Asset::kind>("kind", "model or dataset", {.required = true}),
      field<&Asset::name>("name", "Its name in results", {.min = 1, .required = true}),
      field<&Asset::title>("title", "One line about it"),
      field<&Asset::licence>("licence", "SPDX identifier"),
      field<&Asset::file>("file", "File name in the cache", {.min = 1, .required = true}),
      field<&Asset::bytes>("bytes", "Size of the file", {.unit = "bytes", .min = 0}),
      field<&Asset::sha256>("sha256", "Hash of the file", {.required = true}),
      field<&Asset::provenance_lines>("provenance_lines", "Leading lines that are no prompts",
                                      {.min = 0}),
      field<&Asset::sources>("sources", "Tried in this order", {.min = 1, .required = true})};
  static constexpr base::Table table{"asset", "A model or data set with an alias", fields};
  return table;
}

const base::Table& Catalogue::table() {
  static constexpr std::array fields{
      field<&Catalogue::v>("v", "Version of this format", {.required = true}),
      field<&Catalogue::entries>("entries", "Models and data sets", {.required = true})};
  static constexpr base::Table table{"catalogue", "Models and data sets by alias", fields};
  return table;
}

const Asset* Catalogue::find(std::string_view alias, AssetKind kind) const {
  for (const Asset& asset : entries) {
    if (asset.alias == alias && asset.kind == kind) {
      return &asset;
    }
  }
  return nullptr;
}

std::vector<std::string_view> Catalogue::aliases(AssetKind kind) const {
  std::vector<std::string_view> names;
  for (const Asset& asset : entries) {
    if (asset.kind == kind) {
      names.push_back(asset.alias);
    }
  }
  return names;
}

Expected<Catalogue> read_catalogue() {
  if (const auto other = sys::environment("LLEM_CATALOGUE")) {
    LLEM_ASSIGN(const std::string text, sys::read_file(*other));
    return parse_catalogue(text, *other);
  }
  const Path installed = sys::executable_path().parent_path() / "../share/llem/catalogue.json";
  std::error_code error;
  if (std::filesystem::is_regular_file(installed, error)) {
    LLEM_ASSIGN(const std::string text, sys::read_file(installed));
    return parse_catalogue(text, installed.lexically_normal().string());
  }
  return parse_catalogue(embedded_catalogue(), "built-in catalogue");
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::vector<CatalogueEntry> catalogue() {
  const auto read = read_catalogue();
  if (!read) {
    base::warn(base::describe(read.error()));
    return {};
  }
  std::vector<CatalogueEntry> entries;
  for (const Asset& asset : read->entries) {
    std::error_code error;
    entries.push_back({asset.alias,
                       std::string(words(asset.kind)[static_cast<std::size_t>(asset.kind)]),
                       asset.title, asset.licence, asset.bytes,
                       std::filesystem::is_regular_file(cache_path(asset), error)});
  }
  return entries;
}

}  // namespace llem::assets
