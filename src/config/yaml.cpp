#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "base/text.hpp"
#include "config/config.hpp"

namespace llem::config {
namespace {

using base::Mark;
using base::Tree;

constexpr std::size_t kMaxBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxDepth = 100;
// Aliases copy what they name, so a few lines can stand for billions of values: both bounds count
// the copies. A study of ten thousand points has a tenth of the values.
constexpr std::size_t kMaxValues = 100'000;
constexpr std::size_t kMaxExpandedBytes = 2 * kMaxBytes;

/// Leaves the parser from inside an event; the reason is in the builder.
struct Refused {};

Mark mark_of(const YAML::Mark& mark) {
  return mark.is_null() ? Mark{} : Mark{mark.line + 1, mark.column + 1};
}

struct Size {
  std::size_t values = 0;
  std::size_t bytes = 0;
};

Size size_of(const Tree& tree) {
  Size size{1, tree.scalar.size()};
  const auto add = [&](const Tree& inner) {
    const Size more = size_of(inner);
    size.values += more.values;
    size.bytes += more.bytes;
  };
  for (const Tree& item : tree.items) {
    add(item);
  }
  for (const Tree::Entry& entry : tree.entries) {
    size.bytes += entry.key.size();
    add(entry.value);
  }
  return size;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(std::string_view file) : file_(file) {}

  Tree take() { return std::move(root_); }

  std::optional<Error> take_error() { return std::exchange(error_, std::nullopt); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      refuse(mark_of(mark), "the file goes on after its document has ended",
             "one file holds one document: remove the rest, or the `---` before it");
    }
  }

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Tree tree;
    tree.mark = mark_of(mark);
    if (wants_key()) {
      refuse(tree.mark, "a key is empty", "write text before the colon");
    }
    add(std::move(tree), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      refuse(mark_of(mark), "an alias stands inside the value it names",
             "write the value out: nothing can hold itself");
    }
    if (wants_key()) {
      refuse(mark_of(mark), "an alias stands where a key should", "write the key out");
    }
    spend(found->second.size, mark_of(mark));
    Tree copy = found->second.tree;
    copy.mark = mark_of(mark);
    attach(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp calls a plain scalar "?" and a quoted one "!".
    if (!tag.empty() && tag != "?" && tag != "!") {
      refuse_tag(mark, tag);
    }
    if (wants_key()) {
      take_key(value, mark_of(mark));
      return;
    }
    Tree tree;
    tree.kind = Tree::Kind::scalar;
    tree.scalar = value;
    tree.quoted = tag == "!";
    tree.mark = mark_of(mark);
    add(std::move(tree), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Tree::Kind::list, mark, tag, anchor);
  }

  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Tree::Kind::map, mark, tag, anchor);
  }

  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Tree tree;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;  // read, its value is next
    Mark key_mark;
    std::map<std::string, Mark, std::less<>> seen;
  };

  struct Anchored {
    Tree tree;
    Size size;
  };

  [[noreturn]] void refuse(Mark mark, std::string message, std::string hint,
                           std::optional<std::string> second_place = {}) {
    std::string where = base::place(file_, mark);
    if (const std::string at = path(); !at.empty()) {
      where += " " + at;
    }
    error_ = Error{ErrorKind::config, std::move(message), std::move(hint), {std::move(where)}, {}};
    if (second_place) {
      error_->context.push_back(*std::move(second_place));
    }
    throw Refused{};
  }

  [[noreturn]] void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    refuse(mark_of(mark), fmt::format("the tag `{}` is not understood", tag),
           "leave it out: the field decides the type, and quotes make text");
  }

  std::string path() const {
    std::string text;
    for (const Frame& frame : frames_) {
      if (frame.tree.kind == Tree::Kind::list) {
        text += fmt::format("[{}]", frame.tree.items.size());
      } else if (frame.key) {
        text += (text.empty() ? "" : ".") + *frame.key;
      }
    }
    return text;
  }

  bool wants_key() const {
    return !frames_.empty() && frames_.back().tree.kind == Tree::Kind::map && !frames_.back().key;
  }

  void take_key(const std::string& key, Mark mark) {
    Frame& frame = frames_.back();
    const auto [first, is_new] = frame.seen.emplace(key, mark);
    frame.key = key;
    frame.key_mark = mark;
    spend({0, key.size()}, mark);
    if (!is_new) {
      refuse(mark, fmt::format("the key `{}` appears twice", key), "keep one of them",
             base::place(file_, first->second) + " (the first one)");
    }
  }

  void open(Tree::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?") {
      refuse_tag(mark, tag);
    }
    if (wants_key()) {
      refuse(mark_of(mark), "a list or a map stands where a key should",
             "a key is text; is a bracket or a brace left open?");
    }
    if (frames_.size() >= kMaxDepth) {
      refuse(mark_of(mark), fmt::format("values are nested more than {} deep", kMaxDepth), "");
    }
    Frame frame;
    frame.tree.kind = kind;
    frame.tree.mark = mark_of(mark);
    frame.anchor = anchor;
    frames_.push_back(std::move(frame));
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    add(std::move(frame.tree), frame.anchor);
  }

  void add(Tree tree, YAML::anchor_t anchor) {
    spend({1, tree.scalar.size()}, tree.mark);
    if (anchor != 0) {
      const Size size = size_of(tree);
      spend(size, tree.mark);  // the copy kept for aliases
      anchors_[anchor] = {tree, size};
    }
    attach(std::move(tree));
  }

  void attach(Tree tree) {
    if (frames_.empty()) {
      root_ = std::move(tree);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.tree.kind == Tree::Kind::list) {
      frame.tree.items.push_back(std::move(tree));
      return;
    }
    frame.tree.entries.push_back({*std::move(frame.key), frame.key_mark, std::move(tree)});
    frame.key.reset();
  }

  void spend(Size size, Mark mark) {
    spent_.values += size.values;
    spent_.bytes += size.bytes;
    if (spent_.values > kMaxValues || spent_.bytes > kMaxExpandedBytes) {
      refuse(mark,
             fmt::format("the document holds more than {} values or {} once its aliases are "
                         "written out",
                         kMaxValues, base::format_bytes(kMaxExpandedBytes)),
             "");
    }
  }

  std::string_view file_;
  Tree root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  Size spent_;
  int documents_ = 0;
  std::optional<Error> error_;
};

tl::unexpected<Error> refused(std::string_view file, Mark mark, std::string message,
                              std::string hint = {}) {
  return tl::unexpected<Error>(
      Error{ErrorKind::config, std::move(message), std::move(hint), {base::place(file, mark)}, {}});
}

Mark mark_at(std::string_view text, std::size_t offset) {
  Mark mark{1, 1};
  for (const char c : text.substr(0, offset)) {
    mark.column = c == '\n' ? 1 : mark.column + 1;
    mark.line += c == '\n' ? 1 : 0;
  }
  return mark;
}

/// yaml-cpp takes the byte 4 for the end of the file, and guesses encodings from zero bytes: only
/// UTF-8 text reaches it.
Expected<void> check_text(std::string_view text, std::string_view file) {
  if (text.size() > kMaxBytes) {
    return refused(file, {},
                   fmt::format("the file has {}, more than the {} a configuration may have",
                               base::format_bytes(static_cast<double>(text.size())),
                               base::format_bytes(kMaxBytes)),
                   "is it the right file?");
  }
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
      return refused(file, mark_at(text, i), fmt::format("a control character 0x{:02x}", byte),
                     "a configuration is UTF-8 text");
    }
  }
  const std::string valid = base::valid_utf8(text);
  if (valid != text) {
    const auto differs = std::mismatch(text.begin(), text.end(), valid.begin(), valid.end()).first;
    return refused(file, mark_at(text, static_cast<std::size_t>(differs - text.begin())),
                   "a byte that is not UTF-8", "save the file as UTF-8");
  }
  return {};
}

}  // namespace

Expected<Tree> parse_yaml(std::string_view text, std::string_view file) {
  LLEM_TRY(check_text(text, file));
  TreeBuilder builder(file);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused&) {
    return tl::unexpected<Error>(*builder.take_error());
  } catch (const YAML::Exception& exception) {
    return refused(file, mark_of(exception.mark),
                   fmt::format("this is not valid YAML: {}", exception.msg));
  }
  return builder.take();
}

}  // namespace llem::config
