#include "sys/library.hpp"

#include <dlfcn.h>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::sys {

Expected<DynamicLibrary> DynamicLibrary::open(const std::vector<std::string>& names) {
  std::vector<std::string> reasons;
  for (const std::string& name : names) {
    if (void* handle = ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL); handle != nullptr) {
      DynamicLibrary library;
      library.handle_ = handle;
      library.name_ = name;
      return library;
    }
    const char* reason = ::dlerror();
    reasons.emplace_back(reason != nullptr ? reason : "unknown reason");
  }
  return failure(ErrorKind::io,
                 fmt::format("cannot open the library `{}`: {}", base::join(names, "` or `"),
                             reasons.empty() ? "no name given" : base::join(reasons, "; ")),
                 "install it, or add its directory to LD_LIBRARY_PATH", "library_not_found");
}

DynamicLibrary::DynamicLibrary(DynamicLibrary&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), name_(std::move(other.name_)) {}

DynamicLibrary& DynamicLibrary::operator=(DynamicLibrary&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(name_, other.name_);
  return *this;
}

DynamicLibrary::~DynamicLibrary() {
  if (handle_ != nullptr) {
    ::dlclose(handle_);
  }
}

void* DynamicLibrary::raw_symbol(const char* name) const {
  return handle_ != nullptr ? ::dlsym(handle_, name) : nullptr;
}

}  // namespace llem::sys
