#pragma once

// Owns: the edge to whatever makes a device take power.

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/quantity.hpp"

namespace llem::calibration {

/// Something that can be switched on for a time and is off otherwise.
class Load {
 public:
  virtual ~Load() = default;
  /// Works for so long and returns when it is done.
  virtual Expected<void> burst(Seconds length) = 0;
};

/// A kernel that computes on every multiprocessor of the GPU "gpu:<uuid>", through the driver's
/// libcuda.so.1 ($LLEM_CUDA_LIBRARY names another).
Expected<std::unique_ptr<Load>> open_cuda_load(std::string_view device);

}  // namespace llem::calibration
