#pragma once

// Owns: telling somebody that a study has ended. Private to this module.

#include <string>

#include <llem/events.hpp>
#include <llem/interrupt.hpp>

#include "domain/study_config.hpp"

namespace llem::api {

/// Posts the summary; tries again a few times, until interrupted. Whatever becomes of it, the study
/// is not affected: a failure is a warning.
void notify(const domain::Notify& notify, const std::string& summary_json,
            const Interrupts& interrupts, const EventSink& events);

}  // namespace llem::api
