#include "engines/catalogue.hpp"

#include <array>
#include <vector>

#include <fmt/format.h>

#include "engines/llamacpp_arguments.hpp"
#include "sys/host.hpp"
#include "sys/self.hpp"

namespace llem::engines {

std::span<const EngineInfo> engines() {
  using domain::EngineKind;
  static constexpr std::array kEngines{
      EngineInfo{EngineKind::llamacpp, "llamacpp", "llem-worker-llamacpp",
                 "llama.cpp, embedded: GGUF models on CPU and GPU", false},
      EngineInfo{EngineKind::scripted, "scripted", "llem-worker-scripted",
                 "plays a timeline and injects failures, for tests", true}};
  return kEngines;
}

const EngineInfo& engine(domain::EngineKind kind) {
  return engines()[static_cast<std::size_t>(kind)];
}

Expected<sys::Path> find_worker(domain::EngineKind kind) {
  return find_companion(engine(kind).program);
}

Expected<sys::Path> find_companion(std::string_view program) {
  std::vector<sys::Path> places;
  if (const auto named = sys::environment("LLEM_WORKER_DIR")) {
    places.emplace_back(*named);
  } else {
    const sys::Path here = sys::containing_object().parent_path();
    places = {here / ".." / "libexec" / "llem", here, here / ".." / "bin",
              sys::executable_path().parent_path(),
              sys::executable_path().parent_path() / ".." / "libexec" / "llem"};
  }
  for (const sys::Path& place : places) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(place / program, ignored)) {
      return std::filesystem::canonical(place / program, ignored);
    }
  }
  return failure(ErrorKind::preflight, fmt::format("the program `{}` is not there", program),
                 fmt::format("reinstall llem, or name its folder in LLEM_WORKER_DIR (sought in {})",
                             places.front().string()),
                 "worker_not_found");
}

Expected<void> check_deployment(const domain::Deploy& deploy) {
  if (deploy.engine != domain::EngineKind::llamacpp) {
    return {};
  }
  // One by one first, so that an error names its own place in the file; then together, for
  // contradictions.
  for (const auto& [name, value] : deploy.llamacpp) {
    domain::Deploy alone;
    alone.llamacpp = {{name, value}};
    if (auto possible = check_llamacpp_arguments(alone, DeployState::as_written); !possible) {
      return tl::unexpected(std::move(possible).error().at("deploy.llamacpp." + name));
    }
  }
  return check_llamacpp_arguments(deploy, DeployState::as_written);
}

}  // namespace llem::engines
