#include "api/shelf.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "engines/catalogue.hpp"

namespace llem::api {

namespace {

/// Stand in for files that are not on this machine yet.
const assets::ResolvedModel kNoModel{};
const assets::PromptSet kNoDataset{};

assets::FetchProgress fetch_progress(const EventSink& events) {
  return [&events](const std::string& what, std::uint64_t done, std::uint64_t total) {
    Event event;
    event.kind = EventKind::fetch_progress;
    event.text = what;
    event.done = static_cast<double>(done);
    event.total = static_cast<double>(total);
    events(event);
  };
}

template <class T>
std::string key_of(const T& value) {
  return base::write_json(base::write_struct(value));
}

bool uses_gpus(const domain::Deploy& deploy) {
  // Offloading is the engine's choice unless it was told to use none.
  const auto layers = deploy.llamacpp.find("n_gpu_layers");
  return layers == deploy.llamacpp.end() || !layers->second.is_integer() ||
         layers->second.integer() != 0;
}

Expected<void> check_same(const std::string& what, const std::string& now,
                          const std::string& planned) {
  if (now == planned) {
    return {};
  }
  return failure(ErrorKind::config,
                 fmt::format("{} is not the one of the plan: SHA-256 {} now, {} then", what,
                             now.substr(0, 16), planned.substr(0, 16)),
                 "put the old file back, or start a new study");
}

}  // namespace

Expected<const assets::ResolvedModel*> Shelf::model(const domain::Model& model, bool scripted) {
  const std::string key = fmt::format("{}{}", scripted ? "scripted " : "", key_of(model));
  auto& place = models_[key];
  if (!place) {
    assets::ResolvedModel found;
    found.name = model.name;
    if (!scripted) {
      LLEM_ASSIGN(found, assets::resolve_model(model, fetch_, fetch_progress(events_)));
    }
    place = std::make_unique<assets::ResolvedModel>(std::move(found));
  }
  return place.get();
}

Expected<const assets::PromptSet*> Shelf::dataset(const domain::Dataset& dataset,
                                                  bool allow_bundled) {
  auto& place = datasets_[fmt::format("{}{}", allow_bundled ? "bundled " : "", key_of(dataset))];
  if (!place) {
    assets::PromptSet found;
    found.name = dataset.name;
    if (dataset.name != "synthetic") {
      LLEM_ASSIGN(found,
                  assets::resolve_dataset(dataset, fetch_, allow_bundled, fetch_progress(events_)));
    }
    place = std::make_unique<assets::PromptSet>(std::move(found));
  }
  return place.get();
}

Expected<study::PointAssets> Shelf::assets(const domain::Model& model,
                                           const domain::Workload& workload,
                                           const domain::Deploy& deploy,
                                           const domain::Measure& measure) {
  study::PointAssets found;
  LLEM_ASSIGN(found.model, this->model(model, deploy.engine == domain::EngineKind::scripted));
  LLEM_ASSIGN(found.dataset,
              dataset(workload.dataset,
                      fetch_ == assets::Fetch::yes && measure.profile == domain::Profile::quick));
  return found;
}

Expected<std::vector<study::PointAssets>> Shelf::points(const config::Space& space) {
  std::vector<study::PointAssets> all;
  all.reserve(space.points.size());
  for (const config::Point& point : space.points) {
    const domain::StudyConfig& c = point.config;
    LLEM_TRY(engines::find_worker(c.deploy.engine));
    auto found = assets(c.model, c.workload, c.deploy, c.measure);
    if (!found && (fetch_ == assets::Fetch::yes || found.error().code != "not_cached")) {
      return tl::unexpected(std::move(found).error());
    }
    if (!found) {
      missing_.insert(found.error().message);
    }
    all.push_back(found ? *found : study::PointAssets{&kNoModel, &kNoDataset});
  }
  return all;
}

Expected<meters::MeterSet*> Shelf::meters(const domain::Deploy& deploy,
                                          const domain::Measure& measure) {
  const meters::MeterOptions options{measure.meters, deploy.devices, uses_gpus(deploy)};
  auto& place = meters_[fmt::format("{} / {} / {}", base::join(options.meters, ","),
                                    base::join(options.devices, ","), options.gpus_used)];
  if (!place) {
    LLEM_ASSIGN(meters::MeterSet opened, meters::open_meters(options));
    place = std::make_unique<meters::MeterSet>(std::move(opened));
  }
  return place.get();
}

Expected<std::vector<study::Means>> Shelf::means(const domain::Plan& plan) {
  std::vector<study::Means> all;
  all.reserve(plan.configurations.size());
  for (const domain::Configuration& c : plan.configurations) {
    study::Means& means = all.emplace_back();
    LLEM_ASSIGN(const study::PointAssets found, assets(c.model, c.workload, c.deploy, c.measure));
    LLEM_TRY(check_same(fmt::format("the model `{}`", c.model.name), found.model->sha256,
                        c.model_sha256));
    LLEM_TRY(check_same(fmt::format("the data set `{}`", c.workload.dataset.name),
                        found.dataset->sha256, c.dataset_sha256));
    means.model = &found.model->facts;
    means.prompts = &found.dataset->prompts;
    means.dataset_substituted = found.dataset->substituted;
    LLEM_ASSIGN(const sys::Path worker, engines::find_worker(c.deploy.engine));
    means.worker.argv = {worker.string()};
    LLEM_ASSIGN(means.meters, meters(c.deploy, c.measure));
  }
  return all;
}

}  // namespace llem::api
