#include <algorithm>
#include <array>
#include <cctype>
#include <vector>

#include "base/text.hpp"
#include "predict/transformer.hpp"

namespace llem::predict {

namespace {

/// Dense rates at rated boost. Vendor sheets often print the rate with 2:4 sparsity: those are
/// halved here.
struct Row {
  std::string_view product;  // words that must all stand in the NVML product name
  double half_tflops;        // fp16 and bf16 tensor, accumulating in fp32
  double eight_bit_tflops;   // fp8 and int8 tensor; 0 = the card has none
  double gigabytes_per_s;
  std::string_view sheet;
};

// The first row whose words all occur wins: special forms stand before general ones.
constexpr std::array kRows{
    Row{"V100 SXM2", 125, 0, 900, "NVIDIA V100 datasheet"},
    Row{"V100 PCIE", 112, 0, 900, "NVIDIA V100 datasheet"},
    Row{"T4", 65, 130, 320, "NVIDIA T4 datasheet"},
    Row{"A100 SXM4 80GB", 312, 624, 2039, "NVIDIA A100 datasheet"},
    Row{"A100 SXM4 40GB", 312, 624, 1555, "NVIDIA A100 datasheet"},
    Row{"A100 80GB PCIE", 312, 624, 1935, "NVIDIA A100 datasheet"},
    Row{"A100 PCIE 40GB", 312, 624, 1555, "NVIDIA A100 datasheet"},
    Row{"A30", 165, 330, 933, "NVIDIA A30 datasheet"},
    Row{"A10", 125, 250, 600, "NVIDIA A10 datasheet"},
    Row{"A40", 149.7, 299.3, 696, "NVIDIA A40 datasheet"},
    Row{"L4", 121, 242, 300, "NVIDIA L4 datasheet"},
    Row{"L40S", 362, 733, 864, "NVIDIA L40S datasheet"},
    Row{"L40", 181, 362, 864, "NVIDIA L40 datasheet"},
    Row{"H100 NVL", 835, 1670, 3900, "NVIDIA H100 datasheet"},
    Row{"H100 PCIE", 756, 1513, 2000, "NVIDIA H100 datasheet"},
    Row{"H100 HBM3", 989, 1979, 3350, "NVIDIA H100 datasheet"},
    Row{"H200 NVL", 835, 1670, 4800, "NVIDIA H200 datasheet"},
    Row{"H200", 989, 1979, 4800, "NVIDIA H200 datasheet"},
    Row{"GB200", 2500, 5000, 8000, "NVIDIA GB200 NVL72 datasheet"},
    Row{"B200", 2250, 4500, 8000, "NVIDIA HGX B200 datasheet"},
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words(1);
  for (const char c : base::lower(text)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      words.back().push_back(c);
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  return words;
}

bool has_all(const std::vector<std::string>& product, std::string_view wanted) {
  const auto needed = words_of(wanted);
  return std::all_of(needed.begin(), needed.end(), [&](const std::string& word) {
    return std::find(product.begin(), product.end(), word) != product.end();
  });
}

enum class Arithmetic { half, eight_bit, other };

/// Quantised weights are multiplied in half precision after dequantisation, unless they are 8-bit
/// floats.
Arithmetic arithmetic_of(std::string_view compute_type) {
  const std::string type = base::lower(compute_type);
  if (type.starts_with("fp8") || type == "int8" || type == "i8") {
    return Arithmetic::eight_bit;
  }
  const bool half = type == "f16" || type == "fp16" || type == "bf16" || type.starts_with("q") ||
                    type.starts_with("iq");
  return half ? Arithmetic::half : Arithmetic::other;
}

/// Volta and Turing multiply no bf16; 8-bit units before Ada and Hopper take integers only.
bool lacks(const Row& row, std::string_view compute_type) {
  const std::string type = base::lower(compute_type);
  const bool before_ampere = row.product.starts_with("V100") || row.product == "T4";
  const bool ampere = row.product.starts_with("A");
  return (type == "bf16" && before_ampere) ||
         (type.starts_with("fp8") && (before_ampere || ampere));
}

}  // namespace

std::optional<Peak> gpu_peak(std::string_view product, std::string_view compute_type) {
  const auto words = words_of(product);
  const auto arithmetic = arithmetic_of(compute_type);
  for (const Row& row : kRows) {
    if (!has_all(words, row.product)) {
      continue;
    }
    const double tflops = arithmetic == Arithmetic::half ? row.half_tflops : row.eight_bit_tflops;
    if (arithmetic == Arithmetic::other || tflops <= 0 || lacks(row, compute_type)) {
      return std::nullopt;
    }
    return Peak{tflops * 1e12, row.gigabytes_per_s * 1e9, std::string(row.sheet) + ", dense"};
  }
  return std::nullopt;
}

}  // namespace llem::predict
