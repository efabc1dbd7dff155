#include "domain/user_factors.hpp"

#include <array>

namespace llem::domain {

const base::Table& DevicePeak::table() {
  static constexpr std::array fields{
      base::field<&DevicePeak::device>(
          "device", "The name of a GPU as `llem doctor` prints it, or cpu for runs without a GPU",
          {.min = 1, .required = true}),
      base::field<&DevicePeak::type>(
          "type", "The type of the weights it holds for, such as f16 or Q4_1; left out: any",
          {.min = 1}),
      base::field<&DevicePeak::flops_per_s>(
          "flops_per_s", "Dense rate of matrix products, a multiply-add as two",
          {.unit = "FLOP/s", .min = 0, .above_min = true, .required = true}),
      base::field<&DevicePeak::bytes_per_s>(
          "bytes_per_s", "Memory bandwidth",
          {.unit = "B/s", .min = 0, .above_min = true, .required = true}),
      base::field<&DevicePeak::source>("source",
                                       "Where the numbers are from: a sheet, a measurement",
                                       {.min = 1, .required = true})};
  static constexpr base::Table table{"device_peak", "What a device can do at most", fields};
  return table;
}

}  // namespace llem::domain
