#include "llamacpp/devices.hpp"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::worker {

namespace {

bool is_pci_address(const std::string& name) {
  return name.find(':') != std::string::npos;
}

std::vector<ggml_backend_dev_t> gpus() {
  std::vector<ggml_backend_dev_t> found;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    const ggml_backend_dev_t device = ggml_backend_dev_get(i);
    const auto type = ggml_backend_dev_type(device);
    if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) {
      found.push_back(device);
    }
  }
  return found;
}

/// NVML writes 00000000:C1:00.0 where ggml writes 0000:c1:00.0.
bool same_address(const std::string& wanted, ggml_backend_dev_t device) {
  ggml_backend_dev_props props{};
  ggml_backend_dev_get_props(device, &props);
  const std::string id = props.device_id == nullptr ? "" : base::lower(props.device_id);
  const std::string address = base::lower(wanted);
  return !id.empty() && (id.ends_with(address) || address.ends_with(id));
}

}  // namespace

void make_devices_visible(const std::vector<std::string>& wanted) {
  if (wanted.empty() || std::any_of(wanted.begin(), wanted.end(), is_pci_address)) {
    return;
  }
  // NVML and the user count in bus order, CUDA by default in order of speed. No other thread runs
  // yet.
  ::setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 0);  // NOLINT(concurrency-mt-unsafe)
  ::setenv("CUDA_VISIBLE_DEVICES", base::join(wanted, ",").c_str(),
           0);  // NOLINT(concurrency-mt-unsafe)
}

Expected<std::vector<ggml_backend_dev_t>> choose_devices_of(
    const std::vector<std::string>& wanted) {
  std::vector<ggml_backend_dev_t> all = gpus();
  if (!wanted.empty() && all.empty()) {
    return failure(ErrorKind::engine, "deploy.devices names GPUs, but this llama.cpp sees none",
                   "build llama.cpp with GPU support, or leave deploy.devices out", "bad_argument");
  }
  if (std::none_of(wanted.begin(), wanted.end(), is_pci_address)) {
    return all;
  }
  std::vector<ggml_backend_dev_t> chosen;
  for (const std::string& name : wanted) {
    const auto found = std::find_if(all.begin(), all.end(), [&](ggml_backend_dev_t device) {
      return same_address(name, device);
    });
    if (found == all.end()) {
      return failure(ErrorKind::engine, fmt::format("llama.cpp sees no GPU `{}`", name), {},
                     "bad_argument");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

base::Json device_names(const std::vector<ggml_backend_dev_t>& devices) {
  base::Json names = base::Json::array();
  for (const ggml_backend_dev_t device : devices) {
    if (device != nullptr) {
      names.push_back(base::Json(ggml_backend_dev_name(device)));
    }
  }
  return names;
}

}  // namespace llem::worker
