#include "config/places.hpp"

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace llem::config {

std::string Places::at(base::Mark mark, const std::string& path) const {
  if (mark.line > 0) {
    return fmt::format("{} {}", base::place(files_, mark), path);
  }
  std::string known = path;
  while (!known.empty()) {
    if (const auto origin = study_.origins.find(known); origin != study_.origins.end()) {
      return fmt::format("{} {}", origin->second, path);
    }
    const std::size_t end = known.find_last_of(".[");
    known.resize(end == std::string::npos ? 0 : end);
  }
  return path;
}

Error Places::placed(Error error) const {
  for (std::string& where : error.context) {
    std::string_view path = where;
    if (!study_.file.empty()) {
      if (!path.starts_with(study_.file) || path.substr(study_.file.size(), 1) != " ") {
        continue;
      }
      path.remove_prefix(study_.file.size() + 1);
    }
    where = at({}, std::string(path));
  }
  return error;
}

const Error* Places::missing_engine(const base::Tree& engine) const {
  const auto found = study_.missing.find(engine.scalar);
  return found == study_.missing.end() ? nullptr : &found->second;
}

tl::unexpected<Error> Places::refused(base::Mark mark, const std::string& path, std::string message,
                                      std::string hint) const {
  return tl::unexpected<Error>(
      Error{ErrorKind::config, std::move(message), std::move(hint), {at(mark, path)}, {}});
}

}  // namespace llem::config
