#include "fidelity/waveform.hpp"

#include <gtest/gtest.h>

namespace llem::fidelity {
namespace {

// The derivative of each integral is the power it is said to be.
double power_at(const Waveform& w, double t) {
  constexpr double kStep = 1e-6;
  return w.between(t - kStep, t + kStep) / (2 * kStep);
}

TEST(Waveform, of_a_square_is_high_for_its_duty) {
  const auto w = square(80, 400, 0.1, 0.25, 0.03);
  EXPECT_NEAR(power_at(w, 0.04), 400, 1e-3);
  EXPECT_NEAR(power_at(w, 0.06), 80, 1e-3);
  EXPECT_NEAR(power_at(w, 7.14), 400, 1e-3);
  EXPECT_NEAR(power_at(w, 7.12), 80, 1e-3);
  EXPECT_NEAR(w.between(0.011, 10.011), 10 * 160, 1e-9);  // mean: 80 + 320/4
  EXPECT_DOUBLE_EQ(w.energy(0), 0);
}

TEST(Waveform, of_a_sine_swings_about_its_mean) {
  const auto w = sine(100, 30, 0.4, 0.1);
  EXPECT_NEAR(power_at(w, 0.2), 130, 1e-3);
  EXPECT_NEAR(power_at(w, 0.1), 100, 1e-3);
  EXPECT_NEAR(w.between(0.05, 4.05), 400, 1e-9);
}

TEST(Waveform, of_a_ramp_rises_to_its_end) {
  const auto w = ramp(1, 3, 50);
  EXPECT_NEAR(power_at(w, 2), 25, 1e-3);
  EXPECT_NEAR(w.between(0, 3), 50, 1e-9);
  EXPECT_NEAR(w.between(3, 9), 0, 1e-9);
}

TEST(Waveform, of_steps_holds_each) {
  Steps steps;
  steps.then(10, 2).then(30, 1);
  const auto w = steps.waveform();
  EXPECT_NEAR(w.between(1, 2.5), 25, 1e-12);
  EXPECT_NEAR(w.between(-1, 5), 3 * 10 + 3 * 30, 1e-12);
}

TEST(Waveform, of_a_load_stands_on_idle) {
  const auto w = delayed(load_between(constant(400), 80, 1, 3), 0.5);
  EXPECT_NEAR(power_at(w, 1.4), 80, 1e-3);
  EXPECT_NEAR(power_at(w, 1.6), 400, 1e-3);
  EXPECT_NEAR(w.between(0, 5), 5 * 80 + 2 * 320, 1e-9);
}

TEST(Waveform, of_bursts_stays_between_its_levels) {
  Draws draws(1);
  const Bursts shape;
  const auto w = bursts(shape, 100, draws);
  const double mean = w.between(0, 100) / 100;
  EXPECT_NEAR(mean, 320, 10);
  for (double t = 0.5; t < 99; t += 0.1) {
    EXPECT_GE(w.between(t, t + 0.01), 0.01 * shape.low_w - 1e-9);
    EXPECT_LE(w.between(t, t + 0.01), 0.01 * shape.high_w + 1e-9);
  }
}

}  // namespace
}  // namespace llem::fidelity
