#pragma once

// Owns: how a terminal shows what a machine's noise is.

#include <string>

#include "domain/self_test.hpp"

namespace llem::report {

std::string self_test_text(const domain::SelfTest& test);

}  // namespace llem::report
