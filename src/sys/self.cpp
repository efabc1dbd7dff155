#include "sys/self.hpp"

#include <dlfcn.h>
#include <system_error>

#include "sys/host.hpp"

namespace llem::sys {

Path containing_object() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&containing_object), &info) == 0 ||
      info.dli_fname == nullptr) {
    return executable_path();
  }
  std::error_code ignored;
  const Path path = std::filesystem::canonical(info.dli_fname, ignored);
  return path.empty() ? executable_path() : path;
}

}  // namespace llem::sys
