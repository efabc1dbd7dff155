#include "store/parquet.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace llem::store {
namespace {

class Parquet : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = sys::TempDir::make("llem-parquet");
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(*std::move(folder));
    path_ = folder_->path() / "table.parquet";
  }

  Expected<ParquetTable> round_trip(const ParquetTable& table) {
    LLEM_TRY(write_parquet(path_, table));
    return read_parquet(path_);
  }

  std::optional<sys::TempDir> folder_;
  sys::Path path_;
};

ParquetTable every_type() {
  ParquetTable table;
  table.columns = {{"t_ns", "ns", IntColumn{1, -5, INT64_MAX}},
                   {"power_w", "W", RealColumn{0.1, -0.0, 1e308}},
                   {"note", "", TextColumn{"a", "", "größer \"x\""}},
                   {"signal", "", WordColumn{{"energy", "power"}, {1, 0, 1}}},
                   {"peak_bytes", "bytes", OptionalIntColumn{std::nullopt, 0, 7}},
                   {"net_j", "J", OptionalRealColumn{0.0, std::nullopt, -2.5}},
                   {"code", "", OptionalTextColumn{"x", std::nullopt, ""}},
                   {"steady", "", OptionalBoolColumn{true, std::nullopt, false}}};
  table.metadata = {{"schema", "test"}, {"schema_version", "1.0.0"}};
  return table;
}

TEST_F(Parquet, KeepsEveryTypeNullAndUnit) {
  const auto read = round_trip(every_type());
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->columns.size(), 8U);
  EXPECT_EQ(read->size(), 3U);
  EXPECT_EQ(std::get<IntColumn>(read->columns[0].values), (IntColumn{1, -5, INT64_MAX}));
  EXPECT_EQ(std::get<RealColumn>(read->columns[1].values), (RealColumn{0.1, -0.0, 1e308}));
  EXPECT_TRUE(std::signbit(std::get<RealColumn>(read->columns[1].values)[1]));
  EXPECT_EQ(std::get<TextColumn>(read->columns[2].values), (TextColumn{"a", "", "größer \"x\""}));
  EXPECT_EQ(std::get<TextColumn>(read->columns[3].values),
            (TextColumn{"power", "energy", "power"}));
  EXPECT_EQ(std::get<OptionalIntColumn>(read->columns[4].values),
            (OptionalIntColumn{std::nullopt, 0, 7}));
  EXPECT_EQ(std::get<OptionalRealColumn>(read->columns[5].values),
            (OptionalRealColumn{0.0, std::nullopt, -2.5}));
  EXPECT_EQ(std::get<OptionalTextColumn>(read->columns[6].values),
            (OptionalTextColumn{"x", std::nullopt, ""}));
  EXPECT_EQ(std::get<OptionalBoolColumn>(read->columns[7].values),
            (OptionalBoolColumn{true, std::nullopt, false}));
  EXPECT_EQ(read->find("power_w")->unit, "W");
  EXPECT_EQ(read->find("note")->unit, "");
  EXPECT_EQ(read->find("absent"), nullptr);
}

TEST_F(Parquet, MetadataNamesSchemaAndUnits) {
  const auto read = round_trip(every_type());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->metadata.at("schema"), "test");
  EXPECT_EQ(read->metadata.at("units"),
            R"({"t_ns":"ns","power_w":"W","peak_bytes":"bytes","net_j":"J"})");
}

TEST_F(Parquet, AnEmptyTableHasColumnsAndNoRows) {
  const auto read = round_trip({{{"t_ns", "ns", IntColumn{}}, {"word", "", WordColumn{}}}, {}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->columns.size(), 2U);
  EXPECT_EQ(read->size(), 0U);
}

TEST_F(Parquet, ReadsTheColumnsAskedForInThatOrder) {
  ASSERT_TRUE(write_parquet(path_, every_type()));
  const auto read = read_parquet(path_, {"net_j", "t_ns"});
  ASSERT_TRUE(read);
  ASSERT_EQ(read->columns.size(), 2U);
  EXPECT_EQ(read->columns[0].name, "net_j");
  const auto absent = read_parquet(path_, {"joules"});
  ASSERT_FALSE(absent);
  EXPECT_NE(absent.error().message.find("no column `joules`"), std::string::npos)
      << absent.error().message;
}

TEST_F(Parquet, ManyRowsSpanSeveralRowGroups) {
  constexpr std::int64_t kRows = 1'500'000;
  IntColumn t_ns;
  WordColumn word{{"a", "b"}, {}};
  for (std::int64_t i = 0; i < kRows; ++i) {
    t_ns.push_back(1'000'000'000 + i * 10'000'000 + i % 7);
    word.rows.push_back(static_cast<std::int32_t>(i % 2));
  }
  const IntColumn expected = t_ns;
  const auto read =
      round_trip({{{"t_ns", "ns", std::move(t_ns)}, {"word", "", std::move(word)}}, {}});
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(std::get<IntColumn>(read->columns[0].values), expected);
  EXPECT_EQ(std::get<TextColumn>(read->columns[1].values)[1'499'999], "b");
  EXPECT_LT(std::filesystem::file_size(path_), 4U << 20);
}

TEST_F(Parquet, RefusesNumbersThatAreNone) {
  for (const double value : {std::nan(""), HUGE_VAL}) {
    const auto written = write_parquet(path_, {{{"power_w", "W", RealColumn{1, value}}}, {}});
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().message, "column `power_w`, row 1: not a finite number");
    const auto optional =
        write_parquet(path_, {{{"net_j", "J", OptionalRealColumn{std::nullopt, value}}}, {}});
    EXPECT_FALSE(optional);
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(Parquet, RefusesColumnsThatDoNotFit) {
  EXPECT_FALSE(write_parquet(path_, {{{"a", "", IntColumn{1}}, {"b", "", IntColumn{}}}, {}}));
  EXPECT_FALSE(write_parquet(path_, {{{"a", "", WordColumn{{"x"}, {1}}}}, {}}));
}

TEST_F(Parquet, ATornFileIsAnErrorThatNamesIt) {
  ASSERT_TRUE(write_parquet(path_, every_type()));
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  const auto read = read_parquet(path_);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::io);
  EXPECT_EQ(read.error().code, "bad_parquet");
  EXPECT_NE(read.error().message.find(path_.string()), std::string::npos);
}

TEST_F(Parquet, DamageNeverEndsTheProgram) {
  ASSERT_TRUE(write_parquet(path_, every_type()));
  const auto whole = sys::read_file(path_);
  ASSERT_TRUE(whole);
  for (std::size_t at = 0; at < whole->size(); at += 13) {
    std::string damaged = *whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x5a);
    std::ofstream(path_, std::ios::binary) << damaged;
    if (const auto read = read_parquet(path_)) {  // damage may also fall into a value
      EXPECT_LE(read->columns.size(), 8U);
    }
  }
}

TEST_F(Parquet, AMissingFileSaysSo) {
  const auto read = read_parquet(folder_->path() / "none.parquet");
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().message.find("No such file"), std::string::npos) << read.error().message;
  EXPECT_FALSE(read_parquet(folder_->path()));
}

TEST_F(Parquet, LeavesNoTemporaryFile) {
  ASSERT_TRUE(write_parquet(path_, every_type()));
  EXPECT_FALSE(std::filesystem::exists(fmt::format("{}.{}.tmp", path_.string(), ::getpid())));
}

}  // namespace
}  // namespace llem::store
