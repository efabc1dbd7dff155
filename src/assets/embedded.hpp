#pragma once

// Owns: the files of assets/ as they were when the program was built.

#include <string_view>

namespace llem::assets {

std::string_view embedded_catalogue();
/// One prompt per line.
std::string_view embedded_prompts();

}  // namespace llem::assets
