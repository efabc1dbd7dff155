#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "assets/assets.hpp"
#include "assets/catalogue.hpp"
#include "assets/embedded.hpp"
#include "assets/fetch.hpp"
#include "assets/hash_cache.hpp"
#include "assets/prompts.hpp"
#include "base/hash.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "sys/host.hpp"

namespace llem::assets {
namespace {

constexpr std::string_view kBundled = "bundled";
constexpr std::string_view kSynthetic = "synthetic";

void take(PromptSet& set, ParsedPrompts parsed) {
  set.prompts = std::move(parsed.prompts);
  set.skipped = parsed.skipped;
}

Expected<PromptSet> bundled_prompts() {
  PromptSet set;
  set.name = kBundled;
  set.sha256 = base::sha256_hex(embedded_prompts());
  LLEM_ASSIGN(ParsedPrompts parsed, parse_text_prompts(embedded_prompts()));
  take(set, std::move(parsed));
  return set;
}

Expected<PromptSet> read_prompts(PromptSet set, const JsonlRules& rules) {
  LLEM_ASSIGN(const std::string text, sys::read_file(set.path));
  auto parsed =
      set.path.extension() == ".txt" ? parse_text_prompts(text) : parse_jsonl_prompts(text, rules);
  if (!parsed) {
    Error error = std::move(parsed).error();
    error.message = fmt::format("`{}`: {}", set.path.string(), error.message);
    return tl::unexpected<Error>(std::move(error));
  }
  if (parsed->skipped > 0) {
    base::info(fmt::format("`{}`: {} blank lines skipped", set.path.string(), parsed->skipped));
  }
  take(set, *std::move(parsed));
  return set;
}

Expected<PromptSet> from_catalogue(const domain::Dataset& dataset, const Asset& asset, Fetch fetch,
                                   bool allow_bundled, const FetchProgress& progress) {
  PromptSet set;
  set.name = asset.name;
  set.path = cache_path(asset);
  const Wanted wanted{asset.alias,
                      AssetKind::dataset,
                      set.path,
                      asset.sha256,
                      static_cast<std::uint64_t>(asset.bytes),
                      asset.sources};
  auto hash = obtain(wanted, fetch, progress);
  if (!hash && allow_bundled && hash.error().kind != ErrorKind::interrupted) {
    base::warn(fmt::format("{}; the bundled prompts stand in", hash.error().message));
    LLEM_ASSIGN(set, bundled_prompts());
    set.substituted = true;
    return set;
  }
  if (!hash) {
    Error error = std::move(hash).error();
    error.hint += "; or use the small set `bundled`, or `synthetic` prompts";
    return tl::unexpected<Error>(std::move(error));
  }
  set.sha256 = *std::move(hash);
  return read_prompts(std::move(set), {dataset.field, asset.provenance_lines, EmptyPrompts::skip});
}

tl::unexpected<Error> unknown(const domain::Dataset& dataset, const Catalogue& catalogue) {
  std::vector<std::string_view> names = catalogue.aliases(AssetKind::dataset);
  names.insert(names.end(), {kBundled, kSynthetic});
  const auto near = base::nearest(dataset.name, names);
  return failure(
      ErrorKind::config, fmt::format("unknown data set `{}`", dataset.name),
      near ? fmt::format("did you mean `{}`?", *near)
           : fmt::format("one of {}, or the path of a .jsonl or .txt file", fmt::join(names, ", ")),
      "dataset_unknown");
}

Expected<PromptSet> from_local_file(const domain::Dataset& dataset, const Catalogue& catalogue) {
  const auto home = sys::environment("HOME");
  const Path path = dataset.name.starts_with("~/") && home ? Path(*home) / dataset.name.substr(2)
                                                           : Path(dataset.name);
  std::error_code error;
  const bool is_file = std::filesystem::is_regular_file(path, error);
  if (!is_file && !path.has_parent_path() && !path.has_extension()) {
    return unknown(dataset, catalogue);
  }
  if (!is_file) {
    const bool is_there = std::filesystem::exists(path, error);
    return failure(ErrorKind::config,
                   is_there ? fmt::format("`{}` is no file", path.string())
                            : fmt::format("no data set `{}`", path.string()),
                   "give the path of a .jsonl or .txt file", "dataset_missing");
  }
  if (path.extension() != ".jsonl" && path.extension() != ".txt") {
    return failure(ErrorKind::config,
                   fmt::format("`{}`: data sets are .jsonl or .txt files", path.string()),
                   "convert it to one JSON object, or one prompt, a line");
  }
  if (path.extension() == ".txt" && dataset.field) {
    return failure(
        ErrorKind::config,
        fmt::format("`{}`: a .txt file has no field `{}`", path.string(), *dataset.field),
        "remove `dataset.field`: each line is a prompt");
  }
  PromptSet set;
  set.name = path.stem().string();
  set.path = std::filesystem::absolute(path, error).lexically_normal();
  LLEM_ASSIGN(set, read_prompts(std::move(set), {dataset.field, 0, EmptyPrompts::refuse}));
  LLEM_ASSIGN(set.sha256, cached_sha256(set.path));
  return set;
}

}  // namespace

Expected<PromptSet> resolve_dataset(const domain::Dataset& dataset, Fetch fetch, bool allow_bundled,
                                    const FetchProgress& progress) {
  if (dataset.name == kSynthetic) {
    PromptSet set;
    set.name = kSynthetic;
    return set;
  }
  if (dataset.name == kBundled) {
    return bundled_prompts();
  }
  LLEM_ASSIGN(const Catalogue catalogue, read_catalogue());
  if (const Asset* asset = catalogue.find(dataset.name, AssetKind::dataset)) {
    return from_catalogue(dataset, *asset, fetch, allow_bundled, progress);
  }
  return from_local_file(dataset, catalogue);
}

}  // namespace llem::assets
