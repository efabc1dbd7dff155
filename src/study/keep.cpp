#include "study/keep.hpp"

#include <utility>

#include "analysis/analyse.hpp"

namespace llem::study {

namespace {

bool is_defect(const Expected<void>& outcome) {
  return !outcome && outcome.error().kind == ErrorKind::internal;
}

}  // namespace

domain::Recording failed_recording(const domain::Recording& trial, std::string code,
                                   std::string message) {
  domain::Recording recording;
  recording.tool_version = trial.tool_version;
  recording.trial = trial.trial;
  recording.cycle = trial.cycle;
  recording.attempt = trial.attempt;
  recording.role = trial.role;
  recording.configuration = trial.configuration;
  recording.outcome.state = domain::OutcomeState::failed;
  recording.outcome.code = std::move(code);
  recording.outcome.message = std::move(message);
  return recording;
}

Expected<void> keep_recording(const store::Path& place, domain::Recording& recording) {
  auto written = store::write_recording(place, recording);
  if (is_defect(written)) {
    recording = failed_recording(recording, "internal", written.error().message);
    written = store::write_recording(place, recording);
  }
  return written;
}

Expected<domain::TrialResult> keep_result(const store::Path& place,
                                          const domain::Recording& recording,
                                          const domain::UserFactors& factors) {
  domain::TrialResult result = analysis::analyse(recording, factors);
  auto written = store::write_result(place, result);
  if (is_defect(written)) {
    result = analysis::analyse(failed_recording(recording, "internal", written.error().message));
    written = store::write_result(place, result);
  }
  LLEM_TRY(written);
  return result;
}

}  // namespace llem::study
