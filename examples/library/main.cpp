// Measures one model through the library and prints its energy per output token with the interval.
#include <iostream>

#include <llem/machine.hpp>
#include <llem/study.hpp>

int main(int argc, char** argv) {
  llem::StudySource source;
  if (argc > 1) {
    source.file = argv[1];
  } else {
    source.settings = {{"model.name", "smollm2-135m"}, {"measure.profile", "quick"}};
  }
  const auto study = llem::Study::load(source);
  if (!study) {
    std::cerr << llem::describe_error(study.error());
    return 2;
  }
  const auto outcome = llem::run(*study, {});
  if (!outcome) {
    std::cerr << llem::describe_error(outcome.error());
    return 3;
  }
  for (const llem::ConfigurationSummary& point : outcome->configurations) {
    std::cout << point.hash << ' ' << point.state;
    if (const auto& energy = point.gross_j_per_output_token) {
      std::cout << (energy->estimated ? " ~" : " ") << energy->value << " J/output token";
      if (energy->low) {
        std::cout << " [" << *energy->low << ", " << *energy->high << ']';
      }
    }
    std::cout << '\n';
  }
  return outcome->trials_failed == 0 ? 0 : 1;
}
