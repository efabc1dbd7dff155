#include <filesystem>
#include <link.h>
#include <string_view>

#include <gtest/gtest.h>

#include "store/parquet.hpp"
#include "store/run_directory.hpp"
#include "sys/host.hpp"
#include "sys/process.hpp"

namespace llem::store {
namespace {

bool is_loaded(std::string_view library) {
  const auto visit = [](dl_phdr_info* info, std::size_t, void* wanted) {
    return std::string_view(info->dlpi_name).find(*static_cast<std::string_view*>(wanted)) !=
                   std::string_view::npos
               ? 1
               : 0;
  };
  return ::dl_iterate_phdr(visit, &library) != 0;
}

TEST(ParquetLibrary, IsOpenedOnFirstUse) {
  EXPECT_FALSE(is_loaded("libarrow"))
      << "a program that touches no Parquet file must not pay for it";
  const auto folder = sys::TempDir::make("llem-parquet");
  ASSERT_TRUE(folder);
  const auto written =
      write_parquet(folder->path() / "x.parquet", {{{"t_ns", "ns", IntColumn{1, 2}}}, {}});
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_TRUE(is_loaded("libllem_parquet"));
  EXPECT_TRUE(is_loaded("libarrow"));
}

/// What other programs make of our files: pyarrow, DuckDB and polars, each its own implementation
/// or binding.
TEST(ParquetReaders, ThreeOtherProgramsReadOurFiles) {
  auto folder = sys::TempDir::make("llem-readers");
  ASSERT_TRUE(folder);
  ParquetTable table;
  table.columns = {{"t_ns", "ns", IntColumn{1'000'000'000'000, 1'000'010'000'003, -5}},
                   {"power_w", "W", RealColumn{0.1, -2.5, 1e300}},
                   {"signal", "", WordColumn{{"energy", "power"}, {1, 0, 1}}},
                   {"note", "", TextColumn{"größer", "", "x"}},
                   {"peak_bytes", "bytes", OptionalIntColumn{std::nullopt, 0, 7}},
                   {"net_j", "J", OptionalRealColumn{0.0, std::nullopt, -2.5}},
                   {"code", "", OptionalTextColumn{"x", std::nullopt, ""}},
                   {"steady", "", OptionalBoolColumn{true, std::nullopt, false}}};
  table.metadata = {{"schema", "test"}, {"schema_version", "1.0.0"}};
  ASSERT_TRUE(write_parquet(folder->path() / "types.parquet", table));

  domain::Recording recording;
  domain::Channel channel;
  channel.device = "gpu:a";
  channel.unit = "J";
  recording.channels = {channel};
  recording.traces.resize(1);
  for (std::int64_t i = 0; i < 100'000; ++i) {
    recording.traces[0].push_back(
        {1'000'000'000 + i * 10'000'000 + i % 3, 5'000 + i % 11, 0.5 * static_cast<double>(i)});
  }
  ASSERT_TRUE(write_recording(folder->path(), recording));

  const auto venv = sys::run_command({{LLEM_SOURCE_DIR "/tools/test_venv.sh"}, {}}, Seconds(600));
  ASSERT_TRUE(venv) << venv.error().message;
  ASSERT_EQ(venv->status.code, 0) << venv->err;
  const std::string python = venv->out.substr(0, venv->out.find('\n'));
  const auto checked = sys::run_command(
      {{python, LLEM_SOURCE_DIR "/tests/process/parquet_readers.py", folder->path().string()}, {}},
      Seconds(120));
  ASSERT_TRUE(checked) << checked.error().message;
  EXPECT_EQ(checked->status.code, 0) << checked->out << checked->err;
}

}  // namespace
}  // namespace llem::store
