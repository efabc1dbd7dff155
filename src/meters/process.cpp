// The worker's process group, followed through procfs.

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "meters/host.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace llem::meters {
namespace {

using domain::Behaviour;
using domain::Channel;
using domain::Signal;

/// Walks the numeric names of a directory without allocating, as readdir would.
template <class Visit>
void for_each_number(int directory, std::span<char> buffer, Visit&& visit) noexcept {
  if (::lseek(directory, 0, SEEK_SET) != 0) {
    return;
  }
  while (true) {
    const long size = ::syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
    if (size <= 0) {
      return;
    }
    for (long at = 0; at < size;) {
      // linux_dirent64: u64 inode, i64 offset, u16 length, u8 type, name.
      const char* entry = buffer.data() + at;
      std::uint16_t length = 0;
      std::memcpy(&length, entry + 16, sizeof length);
      const char* name = entry + 19;
      int number = 0;
      const auto [end, error] = std::from_chars(name, name + std::strlen(name), number);
      if (error == std::errc() && *end == '\0') {
        visit(number, name);
      }
      at += length;
    }
  }
}

/// Reads a file below `directory` once.
std::string_view read_below(int directory, const char* path, std::span<char> buffer) noexcept {
  const sys::Fd file(::openat(directory, path, O_RDONLY | O_CLOEXEC));
  if (!file) {
    return {};
  }
  const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
  return {buffer.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

struct Member {
  int pid = 0;
  sys::Fd stat;  // stays bound to this process, so a recycled pid is never mistaken for it
  int parent = 0;
  std::uint64_t ticks = 0;  // own and waited-for children's, at the last look
  std::uint64_t switches = 0;
  bool alive = false;
};

class ProcessMeter final : public Meter {
 public:
  ProcessMeter(int process_group, const sys::Path& root)
      : group_(process_group),
        proc_(::open((root / "proc").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        tick_s_(1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK))),
        page_bytes_(static_cast<double>(::sysconf(_SC_PAGESIZE))) {
    channels_ = {make_channel(Signal::process_cpu, Behaviour::counter, "s", tick_s_),
                 make_channel(Signal::process_rss, Behaviour::gauge, "bytes", page_bytes_),
                 make_channel(Signal::process_switches, Behaviour::counter, "", 1)};
  }

  std::span<const Channel> channels() const override { return channels_; }

  Seconds period(Seconds sampling_period) const override {
    return std::max(10 * sampling_period, Seconds(0.5));
  }

  std::int64_t failed_reads() const noexcept override { return failed_.count(); }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    if (!proc_) {
      failed_.add(static_cast<std::int64_t>(channels_.size()));
      return;
    }
    const bool scan = reads_ % kScanEvery == 0;
    if (reads_ % (kScanEvery * kForgetEvery) == 0) {
      stranger_count_ = 0;
    }
    ++reads_;
    const std::int64_t begin = now_ns();
    std::uint64_t pages = 0;
    const bool lost_one = !read_members(pages);
    if (scan || lost_one || count_ == 0) {
      find_members();
      pages = 0;
      read_members(pages);
    }
    const std::int64_t end = now_ns();
    if (count_ == 0) {
      return;  // not started yet, or ended: no reading, and nothing that failed
    }
    block.push(first_channel, static_cast<double>(total_ticks()) * tick_s_, begin, end);
    block.push(static_cast<std::uint16_t>(first_channel + 1),
               static_cast<double>(pages) * page_bytes_, begin, end);
    if (scan) {
      const std::int64_t switches_begin = now_ns();
      read_switches();
      block.push(static_cast<std::uint16_t>(first_channel + 2),
                 static_cast<double>(total_switches()), switches_begin, now_ns());
    }
  }

 private:
  // Reading the status of every thread costs a millisecond for a large worker, so it is done every
  // fourth time. So is walking /proc, where processes already known not to belong to the group are
  // passed over; that knowledge is dropped now and then, for pids are used again.
  static constexpr std::int64_t kScanEvery = 4;
  static constexpr std::int64_t kForgetEvery = 8;
  static constexpr std::size_t kMostMembers = 256;
  static constexpr std::size_t kMostStrangers = 8192;

  Channel make_channel(Signal signal, Behaviour behaviour, std::string_view unit,
                       double resolution) const {
    Channel channel;
    channel.device = "worker";
    channel.signal = signal;
    channel.behaviour = behaviour;
    channel.unit = unit;
    channel.scope = domain::Scope::process;
    channel.meter = "host";
    channel.resolution = resolution;
    return channel;
  }

  Member* find(int pid) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      if (members_[i].pid == pid) {
        return &members_[i];
      }
    }
    return nullptr;
  }

  /// False when a member has ended; `pages` sums the others.
  bool read_members(std::uint64_t& pages) noexcept {
    bool complete = true;
    for (std::size_t i = 0; i < count_; ++i) {
      Member& member = members_[i];
      std::array<char, 1024> text{};
      const ssize_t size = ::pread(member.stat.get(), text.data(), text.size(), 0);
      const auto stat =
          size > 0 ? host::parse_process_stat({text.data(), static_cast<std::size_t>(size)})
                   : std::nullopt;
      member.alive = stat.has_value();
      if (!stat) {
        complete = false;
        continue;
      }
      member.parent = stat->parent;
      member.ticks = stat->own_ticks + stat->children_ticks;
      pages += stat->resident_pages;
    }
    drop_ended();
    return complete;
  }

  /// What a process used stays counted after its end: by its parent's account of waited-for
  /// children when that parent is followed too, else here.
  void drop_ended() noexcept {
    for (std::size_t i = 0; i < count_;) {
      Member& member = members_[i];
      if (member.alive) {
        ++i;
        continue;
      }
      const Member* parent = find(member.parent);
      if (parent == nullptr || !parent->alive) {
        ended_ticks_ += member.ticks;
      }
      ended_switches_ += member.switches;
      --count_;
      if (i != count_) {
        std::swap(members_[i], members_[count_]);
      }
      members_[count_] = Member{};
    }
  }

  void find_members() noexcept {
    // /proc lists pids in ascending order, so the strangers of the last walk are met in theirs.
    std::size_t known = 0;
    std::size_t kept = 0;
    for_each_number(proc_.get(), entries_, [&](int pid, const char* name) {
      if (count_ == kMostMembers || find(pid) != nullptr) {
        return;
      }
      while (known < stranger_count_ && strangers_[known] < pid) {
        ++known;
      }
      const bool stranger = known < stranger_count_ && strangers_[known] == pid;
      if (stranger) {
        if (kept < kMostStrangers) {
          next_strangers_[kept++] = pid;
        }
        return;
      }
      std::array<char, 32> path{};
      const std::size_t length = std::strlen(name);
      std::memcpy(path.data(), name, length);
      std::memcpy(path.data() + length, "/stat", 6);
      sys::Fd file(::openat(proc_.get(), path.data(), O_RDONLY | O_CLOEXEC));
      std::array<char, 1024> text{};
      const ssize_t size = file ? ::pread(file.get(), text.data(), text.size(), 0) : -1;
      const auto stat =
          size > 0 ? host::parse_process_stat({text.data(), static_cast<std::size_t>(size)})
                   : std::nullopt;
      if (stat && stat->group == group_) {
        Member& member = members_[count_++];
        member = Member{};
        member.pid = pid;
        member.stat = std::move(file);
        member.parent = stat->parent;
        member.alive = true;
      } else if (pid != group_ && kept < kMostStrangers) {
        // The leader itself may not have left its parent's group yet.
        next_strangers_[kept++] = pid;
      }
    });
    std::swap(strangers_, next_strangers_);
    stranger_count_ = kept;
  }

  /// Involuntary switches are counted for each thread, and lost with it: a thread that ended since
  /// the last look takes its count along, so the sum never falls below what was seen.
  void read_switches() noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      Member& member = members_[i];
      std::array<char, 48> path{};
      const auto end = std::to_chars(path.data(), path.data() + 16, member.pid).ptr;
      std::memcpy(end, "/task", 6);
      const sys::Fd tasks(::openat(proc_.get(), path.data(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      if (!tasks) {
        continue;
      }
      std::uint64_t sum = 0;
      for_each_number(tasks.get(), entries_, [&](int, const char* name) {
        std::array<char, 32> file{};
        const std::size_t length = std::strlen(name);
        std::memcpy(file.data(), name, length);
        std::memcpy(file.data() + length, "/status", 8);
        sum += host::find_number(read_below(tasks.get(), file.data(), status_),
                                 "nonvoluntary_ctxt_switches")
                   .value_or(0);
      });
      member.switches = std::max(member.switches, sum);
    }
  }

  /// Never falls: a child read as ended before its parent has been seen to wait for it is made up
  /// for by the next look.
  std::uint64_t total_ticks() noexcept {
    std::uint64_t sum = ended_ticks_;
    for (std::size_t i = 0; i < count_; ++i) {
      sum += members_[i].ticks;
    }
    most_ticks_ = std::max(most_ticks_, sum);
    return most_ticks_;
  }

  std::uint64_t total_switches() const noexcept {
    std::uint64_t sum = ended_switches_;
    for (std::size_t i = 0; i < count_; ++i) {
      sum += members_[i].switches;
    }
    return sum;
  }

  int group_;
  sys::Fd proc_;
  double tick_s_;
  double page_bytes_;
  std::vector<Channel> channels_;
  std::array<Member, kMostMembers> members_;
  std::size_t count_ = 0;
  std::vector<int> strangers_ = std::vector<int>(kMostStrangers);
  std::vector<int> next_strangers_ = std::vector<int>(kMostStrangers);
  std::size_t stranger_count_ = 0;
  std::int64_t reads_ = 0;
  std::uint64_t ended_ticks_ = 0;
  std::uint64_t most_ticks_ = 0;
  std::uint64_t ended_switches_ = 0;
  alignas(8) std::array<char, 32768> entries_{};
  std::array<char, 4096> status_{};
  Tally failed_;
};

}  // namespace

std::unique_ptr<Meter> make_process_meter(int process_group, const sys::Path& root) {
  return std::make_unique<ProcessMeter>(process_group, root);
}

std::unique_ptr<Meter> make_process_meter(int process_group) {
  return make_process_meter(process_group, sys::system_root());
}

}  // namespace llem::meters
