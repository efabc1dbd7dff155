#include "sys/process_tree.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <unistd.h>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sys/file.hpp"
#include "sys/process.hpp"

namespace llem::sys {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto outcome = std::from_chars(text.data(), text.data() + text.size(), out);
  return outcome.ec == std::errc() && outcome.ptr == text.data() + text.size();
}

}  // namespace

std::optional<ProcessEntry> parse_process_stat(std::string_view text) {
  // proc_pid_stat(5): "pid (name) state ppid pgrp session ... starttime", the 22nd field. The name
  // may hold anything, parentheses and spaces too: only the last parenthesis ends it.
  constexpr std::size_t kStartTime = 22 - 3;
  const std::size_t open = text.find(" (");
  const std::size_t close = text.rfind(") ");
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  ProcessEntry entry;
  const std::vector<std::string_view> fields = base::split(base::trim(text.substr(close + 2)), ' ');
  if (fields.size() <= kStartTime || fields[0].size() != 1 ||
      !read_number(text.substr(0, open), entry.pid) || !read_number(fields[1], entry.parent) ||
      !read_number(fields[2], entry.group) || !read_number(fields[3], entry.session) ||
      !read_number(fields[kStartTime], entry.start_ticks)) {
    return std::nullopt;
  }
  entry.state = fields[0][0];
  return entry;
}

std::optional<ProcessEntry> read_process(pid_t pid) {
  const auto text = read_line(fmt::format("/proc/{}/stat", pid));
  return text ? parse_process_stat(*text) : std::nullopt;
}

std::vector<ProcessEntry> read_process_table() {
  std::vector<ProcessEntry> table;
  std::error_code error;
  std::filesystem::directory_iterator folder("/proc", error);
  for (; !error && folder != std::filesystem::directory_iterator(); folder.increment(error)) {
    pid_t pid = 0;
    if (!read_number(folder->path().filename().string(), pid)) {
      continue;
    }
    if (auto entry = read_process(pid)) {
      table.push_back(*entry);
    }
  }
  return table;
}

bool environment_has_mark(std::string_view environ_text, std::string_view mark) {
  const std::string prefix = fmt::format("{}=", kTrialVariable);
  for (const std::string_view variable : base::split(environ_text, '\0')) {
    if (!variable.starts_with(prefix)) {
      continue;
    }
    const auto marks = base::split(variable.substr(prefix.size()), '/');
    return std::find(marks.begin(), marks.end(), mark) != marks.end();
  }
  return false;
}

bool process_has_mark(pid_t pid, std::string_view mark) {
  const auto text = read_file(fmt::format("/proc/{}/environ", pid));
  return text && environment_has_mark(*text, mark);
}

std::vector<ProcessEntry> members_of(const std::vector<ProcessEntry>& table, Leader leader,
                                     const std::vector<ProcessEntry>& known, pid_t self,
                                     const std::function<bool(pid_t)>& has_mark) {
  const auto same = [](const ProcessEntry& a, const ProcessEntry& b) {
    return a.pid == b.pid && a.start_ticks == b.start_ticks;
  };
  // Somebody else may have reaped the leader and its pid may be in use again: then group and
  // session say nothing.
  const bool leader_is_stranger =
      std::any_of(table.begin(), table.end(), [&](const ProcessEntry& entry) {
        return entry.pid == leader.pid && entry.start_ticks != leader.start_ticks;
      });
  std::set<pid_t> inside;
  if (!leader_is_stranger) {
    inside.insert(leader.pid);
  }
  const auto belongs = [&](const ProcessEntry& entry) {
    if (inside.contains(entry.parent)) {
      return true;
    }
    if (!leader_is_stranger && (entry.group == leader.pid || entry.session == leader.pid)) {
      return true;
    }
    return std::any_of(known.begin(), known.end(),
                       [&](const ProcessEntry& other) { return same(entry, other); }) ||
           has_mark(entry.pid);
  };

  std::vector<ProcessEntry> undecided;
  for (const ProcessEntry& entry : table) {
    if (entry.pid != leader.pid && entry.pid != self && entry.start_ticks >= leader.start_ticks) {
      undecided.push_back(entry);
    }
  }
  std::vector<ProcessEntry> members;
  // A child may stand before its parent in the table: go round until nobody is added.
  for (bool grown = true; grown;) {
    grown = false;
    std::vector<ProcessEntry> rest;
    for (const ProcessEntry& entry : undecided) {
      if (belongs(entry)) {
        inside.insert(entry.pid);
        members.push_back(entry);
        grown = true;
      } else {
        rest.push_back(entry);
      }
    }
    undecided = std::move(rest);
  }
  return members;
}

std::vector<pid_t> descendants_of(const std::vector<ProcessEntry>& table, pid_t ancestor) {
  std::set<pid_t> inside{ancestor};
  std::vector<pid_t> found;
  for (bool grown = true; grown;) {
    grown = false;
    for (const ProcessEntry& entry : table) {
      if (!entry.ended() && inside.contains(entry.parent) && inside.insert(entry.pid).second) {
        found.push_back(entry.pid);
        grown = true;
      }
    }
  }
  return found;
}

}  // namespace llem::sys
