#pragma once

// Owns: which GPUs llama.cpp uses.

#include <llama.h>
#include <string>
#include <vector>

#include "base/json.hpp"

namespace llem::worker {

/// For UUIDs and indices: sets CUDA_VISIBLE_DEVICES (in PCI bus order) unless the user has set it.
/// Before the first call of llama.cpp.
void make_devices_visible(const std::vector<std::string>& wanted);

/// The GPUs to use: all visible ones, or those of the wanted PCI addresses.
Expected<std::vector<ggml_backend_dev_t>> choose_devices_of(const std::vector<std::string>& wanted);

base::Json device_names(const std::vector<ggml_backend_dev_t>& devices);

}  // namespace llem::worker
