#include "base/random.hpp"

#include <bit>
#include <cmath>
#include <string>

#include "base/error.hpp"
#include "base/hash.hpp"

namespace llem::base {
namespace {

__extension__ typedef unsigned __int128 Wide;

// Steele, Lea and Flood (2014); the seeding that Blackman and Vigna recommend for xoshiro.
std::uint64_t splitmix64(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed) : state_() {
  for (std::uint64_t& word : state_) {
    word = splitmix64(seed);
  }
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

double Random::uniform() {
  return static_cast<double>(next() >> 11) * 0x1p-53;
}

std::uint64_t Random::below(std::uint64_t bound) {
  LLEM_ASSERT(bound > 0, "no integer is below zero");
  Wide product = Wide{next()} * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    // Products whose low half falls under 2^64 mod bound would make some results likelier than
    // others.
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) {
      product = Wide{next()} * bound;
    }
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Random::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  double x = 0;
  double y = 0;
  double square = 0;
  do {
    x = 2 * uniform() - 1;
    y = 2 * uniform() - 1;
    square = x * x + y * y;
  } while (square >= 1 || square == 0);
  const double scale = std::sqrt(-2 * std::log(square) / square);
  spare_ = y * scale;
  has_spare_ = true;
  return x * scale;
}

std::uint64_t derive_seed(std::uint64_t seed, std::string_view purpose, std::uint64_t block) {
  const std::string text =
      std::to_string(seed) + "/" + std::string(purpose) + "/" + std::to_string(block);
  Sha256 hash;
  hash.update(text.data(), text.size());
  const auto digest = hash.digest();
  std::uint64_t derived = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    derived = derived << 8 | digest[i];
  }
  return derived;
}

}  // namespace llem::base
