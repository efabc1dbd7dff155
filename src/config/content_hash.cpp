#include "base/field_io.hpp"
#include "base/hash.hpp"
#include "config/config.hpp"

namespace llem::config {
namespace {

using base::Json;

template <class T>
Json hashed(const T& value) {
  static const T usual{};
  return base::hashed_fields(T::table(), &value, &usual);
}

/// By content; by name only while the file is not known (a dry run).
Json identity(const domain::Configuration& configuration) {
  if (!configuration.model_sha256.empty()) {
    return configuration.model_sha256;
  }
  return base::write_struct(configuration.model);
}

Json hashed_workload(domain::Workload workload, const std::string& dataset_sha256) {
  if (!dataset_sha256.empty()) {
    workload.dataset.name = domain::Dataset{}.name;
  }
  if (workload.sampling.temperature == 0.0) {
    // The likeliest token stays the likeliest whatever is cut from the tail.
    workload.sampling.top_p.reset();
    workload.sampling.top_k.reset();
    workload.sampling.min_p.reset();
  }
  return hashed(workload);
}

Json hashed_deploy(domain::Deploy deploy) {
  deploy.devices.clear();  // hardware, which results carry beside the hash
  return hashed(deploy);
}

}  // namespace

std::string content_hash(const domain::Configuration& configuration) {
  Json measure = Json::object();
  measure["warmup"] = hashed(configuration.measure.warmup);
  measure["window"] = hashed(configuration.measure.window);
  if (configuration.measure.windows_per_trial != domain::Measure{}.windows_per_trial) {
    measure["windows_per_trial"] = configuration.measure.windows_per_trial;
  }
  Json content = Json::object();
  content["defaults"] = kDefaultsVersion;
  content["model"] = identity(configuration);
  content["dataset"] = configuration.dataset_sha256.empty() ? configuration.workload.dataset.name
                                                            : configuration.dataset_sha256;
  content["workload"] = hashed_workload(configuration.workload, configuration.dataset_sha256);
  content["deploy"] = hashed_deploy(configuration.deploy);
  content["measure"] = std::move(measure);
  return base::sha256_hex(base::write_json(content, base::JsonStyle::canonical)).substr(0, 16);
}

}  // namespace llem::config
