#pragma once

// Owns: everything that points of a study are measured with, each found or opened once. Private to
// this module.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <llem/events.hpp>

#include "assets/assets.hpp"
#include "config/config.hpp"
#include "domain/plan.hpp"
#include "meters/meter.hpp"
#include "study/drive.hpp"
#include "study/plan.hpp"

namespace llem::api {

class Shelf {
 public:
  Shelf(assets::Fetch fetch, const EventSink& events) : fetch_(fetch), events_(events) {}

  /// For every point of a space, whose engine must be installed; pointers stay valid as long as the
  /// shelf. Where nothing may be fetched, what is not on this machine is stood in for by empty
  /// assets and told in missing().
  Expected<std::vector<study::PointAssets>> points(const config::Space& space);
  /// For every configuration of a plan; a model or data set that is no longer the one of the plan
  /// is an error.
  Expected<std::vector<study::Means>> means(const domain::Plan& plan);

  const std::set<std::string>& missing() const { return missing_; }

 private:
  Expected<study::PointAssets> assets(const domain::Model& model, const domain::Workload& workload,
                                      const domain::Deploy& deploy, const domain::Measure& measure);
  Expected<meters::MeterSet*> meters(const domain::Deploy& deploy, const domain::Measure& measure);
  Expected<const assets::ResolvedModel*> model(const domain::Model& model, bool scripted);
  Expected<const assets::PromptSet*> dataset(const domain::Dataset& dataset, bool allow_bundled);

  assets::Fetch fetch_;
  const EventSink& events_;
  std::set<std::string> missing_;
  std::map<std::string, std::unique_ptr<assets::ResolvedModel>> models_;
  std::map<std::string, std::unique_ptr<assets::PromptSet>> datasets_;
  std::map<std::string, std::unique_ptr<meters::MeterSet>> meters_;
};

}  // namespace llem::api
