#include "config/product.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

namespace llem::config {
namespace {

using domain::EngineKind;

constexpr std::string_view kEngine = "deploy.engine";

bool sets_engine(const Axis& axis) {
  return std::any_of(axis.paths.begin(), axis.paths.end(), [](const WrittenPath& written) {
    return base::is_within(kEngine, written.path->text());
  });
}

bool applies(const Axis& axis, EngineKind engine) {
  return !axis.engine || *axis.engine == engine;
}

class Product {
 public:
  Product(const LoadedStudy& study, const Places& places, const std::vector<Axis>& axes,
          std::int64_t most, std::int64_t further)
      : study_(study), places_(places), axes_(axes), most_(most), further_(further) {
    for (std::size_t i = 0; i < axes.size(); ++i) {
      (sets_engine(axes[i]) ? choosing_ : others_).push_back(i);
    }
  }

  Expected<std::vector<Combination>> make() {
    LLEM_TRY(choose_engines());
    LLEM_TRY(check_engines());
    auto total = static_cast<double>(further_);
    for (const Combination& chosen : chosen_) {
      double count = 1;
      for (const std::size_t axis : others_) {
        const bool counts = applies(axes_[axis], chosen.engine);
        count *= counts ? static_cast<double>(axes_[axis].levels.size()) : 1;
      }
      total += count;
    }
    if (!(total <= static_cast<double>(most_))) {
      return too_many_points(most_, places_, study_);
    }
    std::vector<Combination> all;
    all.reserve(static_cast<std::size_t>(total));
    for (Combination& chosen : chosen_) {
      std::vector<std::size_t> turning;
      for (const std::size_t axis : others_) {
        const bool turns = applies(axes_[axis], chosen.engine);
        chosen.levels[axis] = turns ? 0 : -1;
        if (turns) {
          turning.push_back(axis);
        }
      }
      turn(chosen, turning, all);
    }
    if (chosen_.size() > 1) {
      sort(all);
    }
    return all;
  }

 private:
  /// All combinations of the axes that say which engine runs.
  Expected<void> choose_engines() {
    double count = 1;
    for (const std::size_t axis : choosing_) {
      count *= static_cast<double>(axes_[axis].levels.size());
    }
    if (!(count <= static_cast<double>(most_))) {
      return too_many_points(most_, places_, study_);
    }
    Combination first;
    first.levels.assign(axes_.size(), 0);
    turn(first, choosing_, chosen_);
    for (Combination& chosen : chosen_) {
      chosen.engine = engine_of(chosen);
    }
    return {};
  }

  EngineKind engine_of(const Combination& chosen) const {
    domain::StudyConfig config;
    config.deploy.engine = study_.config.deploy.engine;
    for (const std::size_t axis : choosing_) {
      const Level& level = axes_[axis].levels[static_cast<std::size_t>(chosen.levels[axis])];
      for (const base::Assignment& value : level.values) {
        if (base::is_within(kEngine, value.path().text())) {
          value.apply(&config);
        }
      }
    }
    return config.deploy.engine;
  }

  /// An axis that no point obeys is a mistake.
  Expected<void> check_engines() const {
    for (const Axis& axis : axes_) {
      const bool used = std::any_of(chosen_.begin(), chosen_.end(), [&](const Combination& chosen) {
        return applies(axis, chosen.engine);
      });
      if (!used) {
        const std::string_view engine = words(*axis.engine)[static_cast<std::size_t>(*axis.engine)];
        return tl::unexpected<Error>(
            Error{ErrorKind::config,
                  fmt::format("`{}` has no effect: no point runs {}", axis.name, engine),
                  fmt::format("set or vary deploy.engine, or take out the axis"),
                  {axis.where},
                  {}});
      }
    }
    return {};
  }

  /// Every combination of the levels of `turning`, the last fastest; all begin at 0.
  void turn(Combination at, const std::vector<std::size_t>& turning,
            std::vector<Combination>& all) const {
    while (true) {
      all.push_back(at);
      std::size_t wheel = turning.size();
      while (wheel > 0) {
        const std::size_t axis = turning[wheel - 1];
        if (++at.levels[axis] < static_cast<std::int64_t>(axes_[axis].levels.size())) {
          break;
        }
        at.levels[axis] = 0;
        --wheel;
      }
      if (wheel == 0) {
        return;
      }
    }
  }

  static void sort(std::vector<Combination>& all) {
    const auto before = [](std::int64_t a, std::int64_t b) {
      return std::max<std::int64_t>(a, 0) < std::max<std::int64_t>(b, 0);
    };
    std::sort(all.begin(), all.end(), [&](const Combination& a, const Combination& b) {
      return std::lexicographical_compare(a.levels.begin(), a.levels.end(), b.levels.begin(),
                                          b.levels.end(), before);
    });
  }

  const LoadedStudy& study_;
  const Places& places_;
  const std::vector<Axis>& axes_;
  std::int64_t most_;
  std::int64_t further_;
  std::vector<std::size_t> choosing_;  // axes that say which engine runs
  std::vector<std::size_t> others_;
  std::vector<Combination> chosen_;
};

}  // namespace

Expected<std::vector<Combination>> make_product(const LoadedStudy& study, const Places& places,
                                                const std::vector<Axis>& axes, std::int64_t most,
                                                std::int64_t further) {
  return Product(study, places, axes, most, further).make();
}

bool engine_varies(const std::vector<Axis>& axes) {
  return std::any_of(axes.begin(), axes.end(), sets_engine);
}

}  // namespace llem::config
