#pragma once

// Owns: libraries opened at run time.

#include <string>
#include <vector>

#include "base/error.hpp"

namespace llem::sys {

class DynamicLibrary {
 public:
  /// The first of `names` that can be opened (RTLD_LAZY | RTLD_LOCAL).
  static Expected<DynamicLibrary> open(const std::vector<std::string>& names);
  DynamicLibrary(DynamicLibrary&& other) noexcept;
  DynamicLibrary& operator=(DynamicLibrary&& other) noexcept;
  ~DynamicLibrary();

  /// Null when the library has no such symbol: a missing capability, not an error.
  template <class Function>
  Function* symbol(const char* name) const {
    return reinterpret_cast<Function*>(raw_symbol(name));
  }

  const std::string& name() const { return name_; }

 private:
  DynamicLibrary() = default;
  void* raw_symbol(const char* name) const;
  void* handle_ = nullptr;
  std::string name_;
};

}  // namespace llem::sys
