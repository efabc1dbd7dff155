#pragma once

// Owns: what a predecessor's study file comes to, written down in our grammar.

#include <string>
#include <vector>

#include "base/tree.hpp"
#include "config/predecessor_keys.hpp"
#include "config/predecessor_levels.hpp"

namespace llem::config::predecessor {

/// Our name of an engine, and where the file names it.
struct NamedEngine {
  std::string word;
  base::Mark mark;
};

struct Experiment {
  Bundle bundle;
  base::Mark mark;
};

struct Space {
  Reading constants;                 // of one engine: all in `general`
  std::vector<NamedEngine> engines;  // of the sweep; at least one
  bool one_engine = true;            // every point runs the same
  bool has_sweep = false;
  std::vector<SweptAxis> axes;          // for all engines of the sweep
  std::vector<Bundle> engine_bundles;   // each names its engine; empty for one engine
  std::vector<Experiment> experiments;  // points beside those of the sweep
};

/// As `sweep`, `variants`, `experiments` and `include` over the constants.
base::Tree write_space(const Space& space);

}  // namespace llem::config::predecessor
