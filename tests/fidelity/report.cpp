#include "fidelity/report.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace llem::fidelity {

namespace {

constexpr const char* kPage = LLEM_SOURCE_DIR "/docs/methodology/validation.md";
constexpr const char* kHead = "| figure | target | measured |";
constexpr const char* kRule = "|---|---|---|";

std::set<std::string>& rows() {
  static std::set<std::string> rows;
  return rows;
}

const char* report_file() {
  return std::getenv("LLEM_FIDELITY_REPORT");
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

bool of_table(const std::string& line) {
  return line.starts_with('|');
}

void write_table(std::ostream& out) {
  out << kHead << '\n' << kRule << '\n';
  for (const auto& row : rows()) {
    out << row << '\n';
  }
}

/// Around the table, the page stays as it is.
void write(const std::string& path) {
  const auto before = lines_of(path);
  std::ofstream out(path);
  bool written = false;
  for (const auto& line : before) {
    if (!of_table(line)) {
      out << line << '\n';
    } else if (!written) {
      write_table(out);
      written = true;
    }
  }
  if (!written) {
    write_table(out);
  }
  EXPECT_TRUE(out.flush()) << path;
}

class Writer final : public ::testing::Environment {
  void TearDown() override {
    if (const char* path = report_file()) {
      write(path);
    }
  }
};

const ::testing::Environment* const kWriter = ::testing::AddGlobalTestEnvironment(new Writer);

}  // namespace

void report(const std::string& row, const std::string& target, const std::string& measured) {
  const std::string line = fmt::format("| {} | {} | {} |", row, target, measured);
  rows().insert(line);
  if (report_file() != nullptr) {
    return;
  }
  const auto page = lines_of(kPage);
  EXPECT_NE(std::find(page.begin(), page.end(), line), page.end())
      << "docs/methodology/validation.md does not say:\n"
      << line << "\nLLEM_FIDELITY_REPORT=" << kPage << " fidelity_test writes it.";
}

std::string percent(double ratio) {
  return fmt::format("{:.2g} %", 100 * ratio);
}

}  // namespace llem::fidelity
