#pragma once

// Owns: what errors about a read study call its places.

#include <string>

#include "base/tree.hpp"
#include "config/config.hpp"

namespace llem::config {

class Places {
 public:
  explicit Places(const LoadedStudy& study) : study_(study), files_(study.files) {}

  const base::FileNames& files() const { return files_; }

  /// "study.yaml:4:3 sweep.deploy.threads"; "--set sweep.deploy.threads" for what an override says.
  std::string at(base::Mark mark, const std::string& path) const;

  /// The error with overrides named where the reader could name no line.
  Error placed(Error error) const;

  /// What is said of points with that engine, where this version lacks it.
  const Error* missing_engine(const base::Tree& engine) const;

  tl::unexpected<Error> refused(base::Mark mark, const std::string& path, std::string message,
                                std::string hint) const;

 private:
  const LoadedStudy& study_;
  base::FileNames files_;
};

}  // namespace llem::config
