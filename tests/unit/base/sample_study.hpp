#pragma once

// A small study description that has one field of every kind, for the tests of field tables.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/field.hpp"
#include "base/tree.hpp"

namespace llem::base::sample {

enum class Batching { fixed, continuous };

constexpr std::array<std::string_view, 2> kBatchingWords{"static", "continuous"};

constexpr std::span<const std::string_view> words(Batching) {
  return kBatchingWords;
}

struct Model {
  std::string name;
  std::optional<std::string> revision;

  static const Table& table() {
    static constexpr std::array fields{
        field<&Model::name>("name", "Which model", {.min = 1, .required = true}),
        field<&Model::revision>("revision", "Which version of it")};
    static constexpr Table table{"model", "A model", fields, "name"};
    return table;
  }
};

inline constexpr std::array<std::string_view, 2> kPrecisions{"f16", "bf16"};

struct Deploy {
  std::int64_t batch_size = 1;
  double idle_s = 0.5;
  bool graph = false;
  Batching batching = Batching::fixed;
  std::string precision = "bf16";
  std::optional<std::int64_t> limit;
  std::vector<std::int64_t> devices;
  std::map<std::string, double> weights;
  Json extra;
  std::int64_t secret = 0;

  static const Table& table() {
    static constexpr std::array fields{
        field<&Deploy::batch_size>("batch_size", "Requests at once", {.min = 1}),
        field<&Deploy::idle_s>("idle_s", "Pause",
                               {.unit = "s", .min = 0, .max = 60, .above_min = true}),
        field<&Deploy::graph>("graph", "Capture graphs"),
        field<&Deploy::batching>("batching", "How requests are batched"),
        field<&Deploy::precision>("precision", "Number format", {.allowed = kPrecisions}),
        field<&Deploy::limit>("limit", "Most tokens", {.min = 1, .max = 10}),
        field<&Deploy::devices>("devices", "Cards", {.min = 1, .max = 3}),
        field<&Deploy::weights>("weights", "Shares"),
        field<&Deploy::extra>("extra", "Engine arguments"),
        field<&Deploy::secret>("secret", "Not shown", {.hashed = false, .hidden = true})};
    static constexpr Table table{"deploy", "How the model is served", fields};
    return table;
  }
};

struct Study {
  Model model;
  Deploy deploy;
  std::vector<Model> drafts;
  std::optional<Model> judge;
  std::map<std::string, Model> named;

  static const Table& table() {
    static constexpr std::array fields{
        field<&Study::model>("model", "The model served", {.required = true}),
        field<&Study::deploy>("deploy", "How"), field<&Study::drafts>("drafts", "Draft models"),
        field<&Study::judge>("judge", "Judge"), field<&Study::named>("named", "By name")};
    static constexpr Table table{"study", "A study", fields};
    return table;
  }
};

inline Tree plain(std::string text, Mark mark = {}) {
  Tree tree;
  tree.kind = Tree::Kind::scalar;
  tree.scalar = std::move(text);
  tree.mark = mark;
  return tree;
}

inline Tree quoted(std::string text) {
  Tree tree = plain(std::move(text));
  tree.quoted = true;
  return tree;
}

inline Tree list(std::vector<Tree> items) {
  Tree tree;
  tree.kind = Tree::Kind::list;
  tree.items = std::move(items);
  return tree;
}

inline Tree map(std::vector<Tree::Entry> entries, Mark mark = {}) {
  Tree tree;
  tree.kind = Tree::Kind::map;
  tree.entries = std::move(entries);
  tree.mark = mark;
  return tree;
}

inline Tree null_tree() {
  return {};
}

}  // namespace llem::base::sample
