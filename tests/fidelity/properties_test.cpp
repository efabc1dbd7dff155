#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "fidelity/scene.hpp"

namespace llem::fidelity {
namespace {

constexpr Updates kUpdates{0.1013, 0.03};

/// One draw of updates and polls, so that two figures differ by what is changed on purpose.
struct Rig {
  explicit Rig(const Timetable& t) : table(t), draws(31) {
    updates = update_times(kUpdates, table.length_s(), draws);
    regular = update_times({kUpdates.period_s, 0}, table.length_s(), draws);
    polls = poll_times({0.02, {}}, table.length_s(), draws);
    power = load_between(bursts({}, table.length_s(), draws), 80, table.begin_s(), table.end_s()) +
            sine(0, 0.5, 0.37, 0);
  }

  Readings counted(const Waveform& w) const {
    Counter counter;
    counter.quantum_j = 1e-9;  // fine enough not to spoil proportions
    counter.starts_at_j = 0;
    return polled(energy_counter(w, updates, counter), polls);
  }

  Readings averaged(const Waveform& w) const {
    return polled(power_average(w, regular, {kUpdates.period_s, 1, 1e-9}), polls);
  }

  Timetable table;
  Draws draws;
  std::vector<double> updates;
  std::vector<double> regular;
  std::vector<double> polls;
  Waveform power;
};

SensorFacts boxcar() {
  SensorFacts facts;
  facts.averaging_s = 0.1;
  return facts;
}

double gross(const Scene& scene) {
  return scope_of(scene.analyse())->gross.value;
}

TEST(Properties, energies_of_adjacent_windows_add_up) {
  Timetable whole;
  whole.pad_s = 0;
  Rig rig(whole);
  // Stationary load around all three windows: where they meet, nothing steps.
  const auto power = bursts({}, whole.length_s(), rig.draws);
  const auto seen = rig.counted(power);
  const auto energy = [&](double from_s, double to_s) {
    return gross(Scene(whole).counter(seen, {}).marks(from_s, to_s));
  };
  for (double cut = whole.begin_s() + 1; cut < whole.end_s() - 1; cut += 0.731) {
    const double all = energy(whole.begin_s(), whole.end_s());
    const double parts = energy(whole.begin_s(), cut) + energy(cut, whole.end_s());
    EXPECT_NEAR(parts, all, 1e-9 * all) << cut;
  }
}

TEST(Properties, twice_the_power_is_twice_the_energy) {
  const Rig rig({});
  const double one = gross(Scene(rig.table).counter(rig.counted(rig.power), {}));
  const double two = gross(Scene(rig.table).counter(rig.counted(2 * rig.power), {}));
  EXPECT_NEAR(two, 2 * one, 1e-9 * two);
  const double mean = gross(Scene(rig.table).gauge(rig.averaged(rig.power), boxcar()));
  const double twice = gross(Scene(rig.table).gauge(rig.averaged(2 * rig.power), boxcar()));
  EXPECT_NEAR(twice, 2 * mean, 1e-9 * twice);
}

TEST(Properties, energy_does_not_depend_on_the_origin_of_time) {
  const Rig rig({});
  const auto counted = rig.counted(rig.power);
  const auto averaged = rig.averaged(rig.power);
  for (const std::int64_t origin_ns : {std::int64_t{0}, std::int64_t{987'654'321'012'345}}) {
    EXPECT_DOUBLE_EQ(gross(Scene(rig.table, origin_ns).counter(counted, {})),
                     gross(Scene(rig.table).counter(counted, {})));
    EXPECT_DOUBLE_EQ(gross(Scene(rig.table, origin_ns).gauge(averaged, boxcar())),
                     gross(Scene(rig.table).gauge(averaged, boxcar())));
  }
}

/// Drops a third of the polls that saw what the polls before and after them saw: those that neither
/// show an update nor bound its time.
Readings without_repeats(const Readings& seen, Draws& draws) {
  Readings kept;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const bool repeat = i > 0 && i + 1 < seen.size() && seen[i].value == seen[i - 1].value &&
                        seen[i].value == seen[i + 1].value;
    if (!repeat || draws.uniform() > 0.3) {
      kept.push_back(seen[i]);
    }
  }
  return kept;
}

TEST(Properties, polls_that_saw_nothing_new_do_not_count) {
  Rig rig({});
  const auto counted = rig.counted(rig.power);
  const auto fewer = without_repeats(counted, rig.draws);
  ASSERT_LT(fewer.size(), counted.size());
  EXPECT_DOUBLE_EQ(gross(Scene(rig.table).counter(fewer, {})),
                   gross(Scene(rig.table).counter(counted, {})));
}

TEST(Properties, more_power_is_more_energy) {
  const Rig rig({});
  const auto more = rig.power + only_within(ramp(0, 30, 5), rig.table.begin_s(), rig.table.end_s());
  EXPECT_GT(gross(Scene(rig.table).counter(rig.counted(more), {})),
            gross(Scene(rig.table).counter(rig.counted(rig.power), {})));
  EXPECT_GT(gross(Scene(rig.table).gauge(rig.averaged(more), boxcar())),
            gross(Scene(rig.table).gauge(rig.averaged(rig.power), boxcar())));
}

}  // namespace
}  // namespace llem::fidelity
