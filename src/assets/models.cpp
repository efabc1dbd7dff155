#include <algorithm>
#include <span>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "assets/assets.hpp"
#include "assets/catalogue.hpp"
#include "assets/fetch.hpp"
#include "assets/hash_cache.hpp"
#include "base/text.hpp"
#include "sys/host.hpp"

namespace llem::assets {
namespace {

constexpr std::size_t kMostNamed = 5;

bool is_there(const Path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

/// "~/x" as the shell would have it: a study file is read by no shell.
Path expanded(const std::string& name) {
  const auto home = sys::environment("HOME");
  return name.starts_with("~/") && home ? Path(*home) / name.substr(2) : Path(name);
}

bool looks_like_path(const std::string& name) {
  return name.starts_with('/') || name.starts_with('.') || name.starts_with('~') ||
         name.ends_with(".gguf") || is_there(name);
}

/// "owner/name", of letters, digits and ._- as hubs allow.
bool looks_like_repository(std::string_view name) {
  const auto parts = base::split(name, '/');
  return parts.size() == 2 && std::ranges::all_of(parts, [](std::string_view part) {
           return !part.empty() && part[0] != '.' && base::file_name_from(part) == part;
         });
}

std::vector<std::string> gguf_files_in(const Path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder.empty() ? Path(".") : folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (entry->path().extension() == ".gguf") {
      names.push_back(entry->path().filename().string());
    }
  }
  std::ranges::sort(names);
  return names;
}

std::string listed(const std::vector<std::string>& names) {
  const std::span<const std::string> few(names.data(), std::min(names.size(), kMostNamed));
  return fmt::format("{}{}", fmt::join(few, ", "), names.size() > kMostNamed ? " …" : "");
}

std::string aliases_hint(const Catalogue& catalogue) {
  return fmt::format("aliases: {}", fmt::join(catalogue.aliases(AssetKind::model), ", "));
}

tl::unexpected<Error> missing(const Path& path, const Catalogue& catalogue) {
  const std::vector<std::string> names = gguf_files_in(path.parent_path());
  const std::vector<std::string_view> views(names.begin(), names.end());
  const auto near = base::nearest(path.filename().string(), views);
  std::string hint = aliases_hint(catalogue);
  if (near) {
    hint = fmt::format("did you mean `{}`?", (path.parent_path() / *near).string());
  } else if (!names.empty()) {
    hint = fmt::format("in that folder: {}; {}", listed(names), hint);
  }
  return failure(ErrorKind::preflight, fmt::format("no model file `{}`", path.string()),
                 std::move(hint), "model_missing");
}

tl::unexpected<Error> unknown(const domain::Model& model, const Catalogue& catalogue) {
  const auto aliases = catalogue.aliases(AssetKind::model);
  const auto near = base::nearest(model.name, aliases);
  return failure(ErrorKind::config, fmt::format("unknown model `{}`", model.name),
                 near ? fmt::format("did you mean `{}`?", *near)
                      : fmt::format("{}; or the path of a .gguf file; or a hub repository as "
                                    "`owner/name` with `file`",
                                    aliases_hint(catalogue)),
                 "model_unknown");
}

Expected<void> check_hash(const std::optional<std::string>& expected, const std::string& got,
                          const Path& path) {
  if (!expected || base::lower(*expected) == got) {
    return {};
  }
  return failure(ErrorKind::preflight,
                 fmt::format("`{}` has the wrong hash: expected sha256 {}, got {}", path.string(),
                             *expected, got),
                 "correct `model.sha256`, or get the file it belongs to", "wrong_hash");
}

Expected<ResolvedModel> from_local_file(const domain::Model& model, const Catalogue& catalogue) {
  const Path path = expanded(model.name);
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    const std::vector<std::string> names = gguf_files_in(path);
    return failure(ErrorKind::config,
                   fmt::format("`{}` is a directory, not a model file", path.string()),
                   names.empty() ? "name a .gguf file; folders of other formats are not read"
                                 : fmt::format("name one of its files: {}", listed(names)),
                   "model_is_directory");
  }
  if (!is_there(path)) {
    return missing(path, catalogue);
  }
  ResolvedModel resolved{
      std::filesystem::absolute(path, error).lexically_normal(), {}, path.stem().string(), {}};
  // Before the hash, which takes seconds for a big file: what is no model needs none.
  LLEM_ASSIGN(resolved.facts, read_gguf_facts(path));
  LLEM_ASSIGN(resolved.sha256, cached_sha256(path));
  LLEM_TRY(check_hash(model.sha256, resolved.sha256, path));
  return resolved;
}

Expected<ResolvedModel> from_catalogue(const domain::Model& model, const Asset& asset, Fetch fetch,
                                       const FetchProgress& progress) {
  if (model.file || model.revision) {
    return failure(ErrorKind::config,
                   fmt::format("`{}` is an alias: `file` and `revision` belong to a hub repository",
                               model.name),
                   fmt::format("leave them out, or rename ./{}", model.name));
  }
  ResolvedModel resolved{cache_path(asset), {}, asset.name, {}};
  LLEM_TRY(check_hash(model.sha256, asset.sha256, asset.file));
  const Wanted wanted{asset.alias,
                      AssetKind::model,
                      resolved.path,
                      asset.sha256,
                      static_cast<std::uint64_t>(asset.bytes),
                      asset.sources};
  LLEM_ASSIGN(resolved.sha256, obtain(wanted, fetch, progress));
  LLEM_ASSIGN(resolved.facts, read_gguf_facts(resolved.path));
  return resolved;
}

Expected<ResolvedModel> from_hub(const domain::Model& model, Fetch fetch,
                                 const FetchProgress& progress) {
  if (!model.file) {
    return failure(ErrorKind::config,
                   fmt::format("`{}` is a hub repository: say which file of it", model.name),
                   fmt::format("model: {{name: {}, file: <name>.gguf}}", model.name));
  }
  const Path file(*model.file);
  if (file.is_absolute() ||
      std::ranges::any_of(file, [](const Path& part) { return part == ".."; })) {
    return failure(ErrorKind::config, fmt::format("`{}` is no path in a repository", *model.file));
  }
  const HubFile source{model.name, *model.file, model.revision.value_or("main")};
  ResolvedModel resolved{cache_path(source), {}, model.name.substr(model.name.find('/') + 1), {}};
  const Wanted wanted{fmt::format("{} {}", model.name, *model.file),
                      AssetKind::model,
                      resolved.path,
                      base::lower(model.sha256.value_or("")),
                      0,
                      {{source, std::nullopt}}};
  LLEM_ASSIGN(resolved.sha256, obtain(wanted, fetch, progress));
  LLEM_ASSIGN(resolved.facts, read_gguf_facts(resolved.path));
  return resolved;
}

}  // namespace

Expected<ResolvedModel> resolve_model(const domain::Model& model, Fetch fetch,
                                      const FetchProgress& progress) {
  if (model.sha256 && !is_sha256(base::lower(*model.sha256))) {
    return failure(ErrorKind::config,
                   fmt::format("`{}` is no SHA-256: 64 hexadecimal digits", *model.sha256));
  }
  LLEM_ASSIGN(const Catalogue catalogue, read_catalogue());
  if (const Asset* asset = catalogue.find(model.name, AssetKind::model)) {
    return from_catalogue(model, *asset, fetch, progress);
  }
  if (looks_like_path(model.name)) {
    return from_local_file(model, catalogue);
  }
  if (looks_like_repository(model.name)) {
    return from_hub(model, fetch, progress);
  }
  return unknown(model, catalogue);
}

}  // namespace llem::assets
