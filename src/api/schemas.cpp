#include "api/schemas.hpp"

#include <array>

#include <fmt/format.h>

#include "api/environment_document.hpp"
#include "base/field_io.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "domain/calibration.hpp"
#include "domain/plan.hpp"
#include "domain/recording.hpp"
#include "domain/result.hpp"
#include "domain/self_test.hpp"
#include "domain/study_config.hpp"
#include "domain/summary.hpp"
#include "protocol/messages.hpp"
#include "store/run_directory.hpp"

namespace llem::api {

namespace {

struct Document {
  std::string_view name;
  std::string_view title;
  const base::Table& (*table)();
};

constexpr std::array kDocuments{
    Document{"study", "A study file", &domain::StudyConfig::table},
    Document{"user_config", "The user's configuration", &config::UserConfig::table},
    Document{"plan", "plan.json", &domain::Plan::table},
    Document{"environment", "environment.json", &Environment::table},
    Document{"recording", "recording.json", &domain::Recording::table},
    Document{"result", "result.json", &domain::TrialResult::table},
    Document{"summary", "summary.json", &domain::Summary::table},
    Document{"manifest_line", "A line of manifest/<owner>.jsonl that tells of a trial",
             &store::ManifestLine::table},
    Document{"manifest_block", "A line of manifest/<owner>.jsonl that tells of a block",
             &store::BlockLine::table},
    Document{"self_test", "llem doctor --self-test --json", &domain::SelfTest::table},
    Document{"calibration", "What `llem calibrate` keeps of a device", &domain::Calibration::table},
    Document{"worker_config", "What $LLEM_CONFIG_PATH names", &protocol::WorkerConfig::table},
    Document{"schedule", "A schedule file", &protocol::Schedule::table},
    Document{"serve", "What a worker writes of a serve", &protocol::ServeFile::table},
    Document{"worker_result", "What a worker writes of itself", &protocol::WorkerResult::table}};

}  // namespace

std::vector<std::string> schema_names() {
  std::vector<std::string> names;
  for (const Document& document : kDocuments) {
    names.emplace_back(document.name);
  }
  return names;
}

Expected<std::string> schema_text(const std::string& name) {
  for (const Document& document : kDocuments) {
    if (document.name == name) {
      return base::write_json(
                 base::make_schema(document.table(), fmt::format("llem/{}.schema.json", name),
                                   document.title),
                 base::JsonStyle::indented) +
             "\n";
    }
  }
  return failure(ErrorKind::usage, fmt::format("there is no schema `{}`", name),
                 "schemas: " + base::join(schema_names(), ", "));
}

}  // namespace llem::api
