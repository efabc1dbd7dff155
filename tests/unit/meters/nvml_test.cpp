#include "meters/nvml.hpp"

#include <bit>

#include <gtest/gtest.h>

#include "fake.hpp"

namespace llem::meters::nvml {
namespace {

FieldValue a_value(int type, std::uint64_t bits, int code = kSuccess) {
  FieldValue value{};
  value.value_type = type;
  value.bits = bits;
  value.code = code;
  return value;
}

TEST(NvmlField, is_decoded_by_its_own_value_type) {
  EXPECT_DOUBLE_EQ(*number_of(a_value(0, std::bit_cast<std::uint64_t>(312.5))), 312.5);
  EXPECT_DOUBLE_EQ(*number_of(a_value(1, 0xA5A5A5A5'00000007ULL)), 7)
      << "the upper half is not the value's";
  EXPECT_DOUBLE_EQ(*number_of(a_value(2, 123456789012ULL)), 123456789012.0);
  EXPECT_DOUBLE_EQ(*number_of(a_value(3, 123456789012ULL)), 123456789012.0);
  EXPECT_DOUBLE_EQ(*number_of(a_value(4, static_cast<std::uint64_t>(-5))), -5);
  EXPECT_DOUBLE_EQ(*number_of(a_value(5, 0xFFFFFFFBULL)), -5);
  EXPECT_DOUBLE_EQ(*number_of(a_value(6, 0xA5A5'0009ULL)), 9);
}

TEST(NvmlField, of_unknown_type_or_failed_is_absent) {
  EXPECT_FALSE(number_of(a_value(7, 1)));
  EXPECT_FALSE(number_of(a_value(1, 1, kNotSupported)));
}

TEST(NvmlCodes, say_meaning_and_remedy) {
  EXPECT_EQ(code_info(15).name, "GPU_IS_LOST");
  EXPECT_EQ(code_info(15).fault, Fault::gone);
  EXPECT_TRUE(contains(std::string(code_info(18).remedy), "reboot"));
  EXPECT_TRUE(contains(std::string(code_info(4).remedy), "--gpus"));
  EXPECT_EQ(code_info(12345).name, "UNKNOWN");
  EXPECT_TRUE(contains(describe_code(3), "NVML 3, NOT_SUPPORTED"));
  for (int code = 0; code <= 30; ++code) {
    EXPECT_EQ(code_info(code).code, code);
  }
}

TEST(NvmlSensors, know_period_and_window_by_architecture) {
  const GpuKind h100{9, 9, 0, "NVIDIA H100 80GB HBM3", 550};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::instant, h100).update_period_s, 0.1);
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::instant, h100).window_s, 0.025);
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::average, h100).window_s, 1);
  EXPECT_DOUBLE_EQ(sensor_defaults(Reading::counter, h100).gain_u_ratio, 0.04);
  EXPECT_FALSE(sensor_defaults(Reading::counter, h100).window_s);

  const GpuKind a100{7, 8, 0, "NVIDIA A100-SXM4-40GB", 550};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::instant, a100).update_period_s, 0.101);
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::draw, a100).window_s, 0.025)
      << "GA100 never reports the 1 s average";

  const GpuKind rtx3090{7, 8, 6, "NVIDIA GeForce RTX 3090", 550};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::instant, rtx3090).window_s, 0.1);
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::draw, rtx3090).window_s, 1);
  const GpuKind with_driver_530{7, 8, 6, "NVIDIA GeForce RTX 3090", 530};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::draw, with_driver_530).window_s, 0.1);

  const GpuKind k20{2, 3, 5, "Tesla K20c", 470};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::draw, k20).lag_s, 0.84);
  EXPECT_FALSE(sensor_defaults(Reading::draw, k20).window_s);
  const GpuKind m40{3, 5, 2, "Tesla M40", 470};
  EXPECT_FALSE(sensor_defaults(Reading::draw, m40).lag_s) << "nobody has published its length";

  const GpuKind v100{5, 7, 0, "Tesla V100-SXM2-16GB", 470};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::instant, v100).update_period_s, 0.02);
  const GpuKind rtx8000{6, 7, 5, "Quadro RTX 8000", 470};
  EXPECT_DOUBLE_EQ(*sensor_defaults(Reading::instant, rtx8000).window_s, 0.02);
}

TEST(NvmlSensors, claim_nothing_where_nothing_is_published) {
  const GpuKind b200{10, 10, 0, "NVIDIA B200", 570};
  EXPECT_FALSE(sensor_defaults(Reading::instant, b200).update_period_s);
  EXPECT_FALSE(sensor_defaults(Reading::counter, b200).update_period_s);
  EXPECT_DOUBLE_EQ(sensor_defaults(Reading::instant, b200).gain_u_ratio, 0.05);
  EXPECT_FALSE(sensor_defaults(Reading::instant, {}).update_period_s);
  const GpuKind k80{2, 3, 7, "Tesla K80", 470};
  EXPECT_FALSE(sensor_defaults(Reading::instant, k80).window_s) << "a lag, not a window";
  EXPECT_FALSE(sensor_defaults(Reading::counter, k80).update_period_s) << "no counter before Volta";
  EXPECT_EQ(architecture_name(8), "ada");
  EXPECT_EQ(architecture_name(77), "unknown");
}

TEST(BusId, is_read_in_every_spelling) {
  EXPECT_EQ(normal_bus_id("3b:00.0"), "00000000:3B:00.0");
  EXPECT_EQ(normal_bus_id("0000:3b:00.0"), "00000000:3B:00.0");
  EXPECT_EQ(normal_bus_id("00000001:AF:00"), "00000001:AF:00.0");
  EXPECT_FALSE(normal_bus_id("GPU-12345678"));
  EXPECT_FALSE(normal_bus_id("0"));
  EXPECT_FALSE(normal_bus_id("zz:00.0"));
  EXPECT_FALSE(normal_bus_id("3b:00.1")) << "the audio function of the card";
}

std::vector<Gpu> three_gpus() {
  std::vector<Gpu> gpus(3);
  const char* uuids[] = {"GPU-aaaa1111-0", "GPU-aaaa2222-0", "GPU-bbbb3333-0"};
  const char* buses[] = {"00000000:3B:00.0", "00000000:5E:00.0", "00000001:3B:00.0"};
  for (unsigned i = 0; i < 3; ++i) {
    gpus[i].index = i + (i == 2 ? 1 : 0);  // index 2 is refused in this container
    gpus[i].uuid = uuids[i];
    gpus[i].bus_id = buses[i];
  }
  return gpus;
}

TEST(GpuSelector, finds_by_uuid_prefix_bus_id_and_index) {
  const auto gpus = three_gpus();
  EXPECT_EQ(find_gpu(gpus, "GPU-aaaa2").value(), 1U);
  EXPECT_EQ(find_gpu(gpus, "gpu-BBBB").value(), 2U);
  EXPECT_EQ(find_gpu(gpus, "0001:3b:00.0").value(), 2U);
  EXPECT_EQ(find_gpu(gpus, "3b:00.0").value(), 0U);
  EXPECT_EQ(find_gpu(gpus, "3").value(), 2U);
}

TEST(GpuSelector, refuses_what_fits_none_or_several_and_lists_the_choice) {
  const auto gpus = three_gpus();
  const auto several = find_gpu(gpus, "GPU-aaaa");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().kind, ErrorKind::preflight);
  EXPECT_EQ(several.error().message, "more than one GPU is selected by `GPU-aaaa`");
  EXPECT_TRUE(contains(several.error().hint, "1 = GPU-aaaa2222-0 = 00000000:5E:00.0"));
  EXPECT_EQ(find_gpu(gpus, "2").error().message, "no GPU is selected by `2`");
  EXPECT_FALSE(find_gpu(gpus, ""));
  EXPECT_FALSE(find_gpu(gpus, "-1"));
}

TEST(VisibleDevices, end_at_the_first_entry_that_is_none) {
  EXPECT_FALSE(parse_visible_devices(nullptr).limited);
  EXPECT_TRUE(parse_visible_devices("").limited);
  EXPECT_TRUE(parse_visible_devices("").selectors.empty());
  EXPECT_EQ(parse_visible_devices("1, GPU-ab ,MIG-77").selectors,
            (std::vector<std::string>{"1", "GPU-ab", "MIG-77"}));
  EXPECT_EQ(parse_visible_devices("0,-1,2").selectors, (std::vector<std::string>{"0"}));
}

}  // namespace
}  // namespace llem::meters::nvml
