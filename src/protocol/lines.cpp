// Owns: messages as lines, and cutting a stream into lines.

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "protocol/messages.hpp"

namespace llem::protocol {

namespace {

constexpr std::size_t kQuotedBytes = 120;

template <class Message>
std::string line_of(const Message& message) {
  return std::visit(
      [](const auto& typed) {
        const base::Table& table = typed.table();
        base::Json line = base::Json::object({{"type", table.name}});
        base::Json fields = base::write_struct(typed);
        if (fields.is_object()) {
          for (base::Json::Member& member : fields.members()) {
            line.members().push_back(std::move(member));
          }
        }
        return base::write_json(line);
      },
      message);
}

tl::unexpected<Error> bad_line(std::string_view side, std::string_view line, std::string why) {
  const std::string_view shown = line.substr(0, kQuotedBytes);
  Error error{
      ErrorKind::engine,
      fmt::format("bad line from the {}: {}", side, why),
      {},
      {fmt::format("`{}{}`", base::valid_utf8(shown), shown.size() < line.size() ? "…" : "")},
      "protocol_error"};
  return tl::unexpected<Error>(std::move(error));
}

/// A later minor version of the protocol may send keys that this one does not know.
void drop_unknown(base::Tree& tree, const base::Table& table) {
  std::erase_if(tree.entries, [&](const base::Tree::Entry& entry) {
    return std::none_of(table.fields.begin(), table.fields.end(),
                        [&](const base::FieldInfo& field) { return field.name == entry.key; });
  });
}

template <class Variant, std::size_t Index = 0>
Expected<Variant> read_as(std::string_view type, base::Tree& tree, std::string_view side,
                          std::string_view line) {
  if constexpr (Index == std::variant_size_v<Variant>) {
    return bad_line(side, line, fmt::format("unknown type `{}`", type));
  } else {
    using Message = std::variant_alternative_t<Index, Variant>;
    if (Message::table().name != type) {
      return read_as<Variant, Index + 1>(type, tree, side, line);
    }
    drop_unknown(tree, Message::table());
    Expected<Message> message = base::read_struct<Message>(tree, type);
    if (!message) {
      return bad_line(side, line, message.error().message);
    }
    return Variant(*std::move(message));
  }
}

template <class Variant>
Expected<Variant> parse_line(std::string_view line, std::string_view side) {
  if (line.size() > kMaxLine) {
    return bad_line(side, line, fmt::format("longer than {} bytes", kMaxLine));
  }
  Expected<base::Json> json = base::parse_json(line);
  if (!json) {
    return bad_line(side, line, json.error().message);
  }
  if (!json->is_object()) {
    return bad_line(side, line, "not an object");
  }
  const base::Json* type = json->find("type");
  if (type == nullptr || !type->is_string()) {
    return bad_line(side, line, "no `type`");
  }
  base::Tree tree = base::tree_from_json(*json);
  return read_as<Variant>(type->string(), tree, side, line);
}

}  // namespace

std::string to_line(const HostMessage& message) {
  return line_of(message);
}

std::string to_line(const WorkerMessage& message) {
  return line_of(message);
}

Expected<HostMessage> parse_host_line(std::string_view line) {
  return parse_line<HostMessage>(line, "host");
}

Expected<WorkerMessage> parse_worker_line(std::string_view line) {
  return parse_line<WorkerMessage>(line, "worker");
}

void LineBuffer::append(std::string_view bytes) {
  if (begin_ > 0 && begin_ >= buffer_.size() / 2) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  buffer_.append(bytes);
}

Expected<std::optional<std::string>> LineBuffer::next() {
  const std::size_t end = buffer_.find('\n', begin_);
  const std::size_t length = (end == std::string::npos ? buffer_.size() : end) - begin_;
  if (length > kMaxLine) {
    return failure(ErrorKind::engine, fmt::format("a line is longer than {} bytes", kMaxLine), {},
                   "protocol_error");
  }
  if (end == std::string::npos) {
    return std::nullopt;
  }
  std::string line = buffer_.substr(begin_, length);
  begin_ = end + 1;
  return line;
}

}  // namespace llem::protocol
