#pragma once

// Owns: physical quantities that cannot be confused. The value is in the base SI unit of its tag.

#include <chrono>
#include <cmath>
#include <compare>
#include <cstdint>

namespace llem {

using Seconds = std::chrono::duration<double>;
using Nanoseconds = std::chrono::nanoseconds;

/// CLOCK_MONOTONIC; equals Python's time.monotonic_ns() on the same kernel.
using MonotonicTime = std::chrono::steady_clock::time_point;

/// A time point as the integer nanoseconds that cross process borders and go to files.
constexpr std::int64_t to_ns(MonotonicTime t) {
  return std::chrono::duration_cast<Nanoseconds>(t.time_since_epoch()).count();
}

constexpr MonotonicTime from_ns(std::int64_t ns) {
  return MonotonicTime(std::chrono::duration_cast<MonotonicTime::duration>(Nanoseconds(ns)));
}

/// Length of [begin_ns, end_ns) in seconds.
constexpr double seconds_between(std::int64_t begin_ns, std::int64_t end_ns) {
  return static_cast<double>(end_ns - begin_ns) * 1e-9;
}

/// To the nearest nanosecond.
inline std::int64_t to_nanoseconds(double seconds) {
  return std::llround(seconds * 1e9);
}

template <class Tag>
struct Quantity {
  double value = 0;

  friend constexpr auto operator<=>(Quantity, Quantity) = default;

  friend constexpr Quantity operator+(Quantity a, Quantity b) { return {a.value + b.value}; }

  friend constexpr Quantity operator-(Quantity a, Quantity b) { return {a.value - b.value}; }

  friend constexpr Quantity operator*(Quantity a, double k) { return {a.value * k}; }

  friend constexpr Quantity operator*(double k, Quantity a) { return {a.value * k}; }

  friend constexpr Quantity operator/(Quantity a, double k) { return {a.value / k}; }

  friend constexpr double operator/(Quantity a, Quantity b) { return a.value / b.value; }

  constexpr Quantity& operator+=(Quantity other) {
    value += other.value;
    return *this;
  }
};

using Joules = Quantity<struct JouleTag>;
using Watts = Quantity<struct WattTag>;

constexpr Joules operator*(Watts p, Seconds t) {
  return {p.value * t.count()};
}

constexpr Joules operator*(Seconds t, Watts p) {
  return p * t;
}

constexpr Watts operator/(Joules e, Seconds t) {
  return {e.value / t.count()};
}

constexpr Seconds operator/(Joules e, Watts p) {
  return Seconds(e.value / p.value);
}

}  // namespace llem
