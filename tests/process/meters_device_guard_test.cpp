// The guard with real processes that are killed, on fake GPUs whose state lies in a file.

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/json.hpp"
#include "meters/device_state_guard.hpp"
#include "meters/nvml_control.hpp"
#include "sys/process.hpp"
#include "sys/process_tree.hpp"
#include "sys/wait.hpp"
#include "unit/meters/fake.hpp"

namespace llem::meters {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

// Two seconds for what was changed to be back; sanitizers and a machine full of tests take thrice.
constexpr auto kSoon = std::chrono::seconds(6);
constexpr auto kPatience = std::chrono::seconds(30);
constexpr const char* kHolderFolder = "LLEM_TEST_HOLDER";

bool comes_true(const std::function<bool()>& condition, Clock::duration within = kSoon) {
  const auto until = Clock::now() + within;
  while (!condition()) {
    if (Clock::now() >= until) {
      return false;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

std::vector<domain::Device> devices_of(const nvml::Api& api) {
  std::vector<domain::Device> devices;
  const nvml::GpuList list = nvml::list_gpus(api).value();
  for (const nvml::Gpu& gpu : list.gpus) {
    devices.push_back({gpu.id(), gpu.name, "gpu", true, nvml::read_facts(api, gpu)});
  }
  devices.push_back({"package-0", "CPU", "cpu", true, base::Json::object()});
  return devices;
}

/// Two GPUs at 700 W and 650 W, as every process that opens the library sees them.
class Machine {
 public:
  explicit Machine(const std::string& errors = "{}", const std::string& device = "{}")
      : scenario_(fmt::format(
            R"({{"devices": [{{"power_limit_w": 700}}, {{"power_limit_w": 650}}],
                 "state_file": "{0}/state", "errors": {1}, "device": {2}}})",
            folder_.path().string(), base::write_json(with_folder(errors, folder_.path().string())),
            device)),
        library_("LLEM_NVML_LIBRARY", LLEM_FAKE_NVML_LIBRARY),
        text_("LLEM_FAKE_NVML", scenario_),
        api_(nvml::Api::open(nvml::library_names()).value()),
        gpus_(nvml::list_gpus(*api_).value().gpus) {}

  /// (power limit in mW, SM clock, memory clock in MHz) of a GPU.
  std::array<unsigned, 3> state(std::size_t i) const {
    std::array<unsigned, 3> now{};
    EXPECT_EQ(api_->power_limit(gpus_.at(i).handle, &now[0]), 0);
    EXPECT_EQ(api_->clock(gpus_.at(i).handle, 1, &now[1]), 0);
    EXPECT_EQ(api_->clock(gpus_.at(i).handle, 2, &now[2]), 0);
    return now;
  }

  bool is_original() const {
    return state(0) == std::array{700'000U, 1410U, 2619U} &&
           state(1) == std::array{650'000U, 1410U, 2619U};
  }

  bool is_set() const {
    return state(0) == std::array{300'000U, 1200U, 1593U} &&
           state(1) == std::array{300'000U, 1200U, 1593U};
  }

  std::string file(const std::string& name) const { return (folder_.path() / name).string(); }

  void make(const std::string& name) const { std::ofstream(file(name)) << "here"; }

  std::vector<domain::Device> devices() const { return devices_of(*api_); }

  /// The guards that watch this machine, by their environment.
  std::vector<pid_t> guards() const {
    std::vector<pid_t> found;
    for (const sys::ProcessEntry& entry : sys::read_process_table()) {
      const std::string proc = "/proc/" + std::to_string(entry.pid);
      std::ifstream environ_file(proc + "/environ");
      const std::string text{std::istreambuf_iterator<char>(environ_file), {}};
      std::error_code ignored;
      const auto program = std::filesystem::read_symlink(proc + "/exe", ignored);
      if (!entry.ended() && program.filename() == kGuardProgram &&
          text.find(folder_.path().string()) != std::string::npos) {
        found.push_back(entry.pid);
      }
    }
    return found;
  }

 private:
  /// `while_file` names lie in the folder.
  static base::Json with_folder(const std::string& text, const std::string& folder) {
    base::Json errors = base::parse_json(text).value();
    for (auto& [name, fault] : errors.members()) {
      if (fault.is_object() && fault.find("while_file") != nullptr) {
        fault["while_file"] = folder + "/" + fault.find("while_file")->string();
      }
    }
    return errors;
  }

  sys::TempDir folder_ = sys::TempDir::make("llem-device-guard").value();
  std::string scenario_;
  Environment library_;
  Environment text_;
  std::shared_ptr<const nvml::Api> api_;
  std::vector<nvml::Gpu> gpus_;
};

domain::Deploy a_limited_deployment() {
  domain::Deploy deploy;
  deploy.power_limit_w = 300;
  deploy.clocks.sm_mhz = 1200;
  deploy.clocks.memory_mhz = 1593;
  return deploy;
}

GuardFiles files_in(const std::string& folder) {
  return {LLEM_DEVICE_GUARD, folder, folder};
}

Expected<DeviceStateGuard> apply_to(const Machine& machine, std::vector<domain::Device>& devices,
                                    const domain::Deploy& deploy = a_limited_deployment()) {
  return DeviceStateGuard::apply(devices, deploy, files_in(machine.file("")));
}

/// What llem would do, in a process of its own that a test can kill.
class Holder {
 public:
  enum class End { stays, leaves_the_scope, exits };

  explicit Holder(const Machine& machine, End end = End::stays) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::setsid();
      ::close(ends[0]);
      act(machine, end, ends[1]);
      ::_exit(0);
    }
    ::close(ends[1]);
    said_ = sys::Fd(ends[0]);
  }

  ~Holder() {
    kill();
    ::waitpid(pid_, nullptr, 0);
  }

  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;

  /// Until the devices are set.
  void wait_until_set() const {
    char letter = 0;
    EXPECT_EQ(::read(said_.get(), &letter, 1), 1) << "the holder ended";
  }

  void kill() const { ::kill(pid_, SIGKILL); }

  void kill_group() const { ::kill(-pid_, SIGKILL); }

  pid_t pid() const { return pid_; }

 private:
  static void act(const Machine& machine, End end, int said) {
    auto devices = machine.devices();
    const auto guard = apply_to(machine, devices);
    if (!guard || ::write(said, "s", 1) != 1) {
      ::_exit(1);
    }
    if (end == End::exits) {
      ::_exit(0);  // no destructor runs
    }
    while (end == End::stays) {
      ::pause();
    }
  }

  pid_t pid_ = -1;
  sys::Fd said_;
};

TEST(DeviceStateGuard, sets_every_gpu_in_use_and_puts_each_back) {
  const Machine machine;
  auto devices = machine.devices();
  const auto before = devices;
  {
    auto guard = apply_to(machine, devices);
    ASSERT_TRUE(guard) << guard.error().message;
    EXPECT_TRUE(machine.is_set());
    ASSERT_EQ(machine.guards().size(), 1U);
    for (std::size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(devices[i].facts.number_or("power_limit_w", 0), 300);
      EXPECT_EQ(devices[i].facts.number_or("power_limit_enforced_w", 0), 300);
      EXPECT_EQ(devices[i].facts.number_or("clock_sm_locked_hz", 0), 1200e6);
      EXPECT_EQ(devices[i].facts.number_or("clock_memory_locked_hz", 0), 1593e6);
    }
    EXPECT_EQ(devices[2].facts, before[2].facts);
    const auto restored = guard->restore();
    EXPECT_TRUE(restored) << restored.error().message;
    EXPECT_TRUE(machine.is_original());
    EXPECT_TRUE(guard->restore()) << "nothing is left to do";
  }
  for (std::size_t i = 0; i < devices.size(); ++i) {
    EXPECT_EQ(devices[i].facts, before[i].facts);
  }
  EXPECT_TRUE(comes_true([&] { return machine.guards().empty(); }));
  EXPECT_FALSE(std::filesystem::exists(machine.file("device-guard.json")));
}

TEST(DeviceStateGuard, leaves_alone_what_is_not_used_or_not_asked_for) {
  const Machine machine;
  auto devices = machine.devices();
  devices[1].used = false;
  domain::Deploy deploy;
  deploy.power_limit_w = 300;
  auto guard = apply_to(machine, devices, deploy);
  ASSERT_TRUE(guard) << guard.error().message;
  EXPECT_EQ(machine.state(0), (std::array{300'000U, 1410U, 2619U}));
  EXPECT_EQ(machine.state(1), (std::array{650'000U, 1410U, 2619U}));
  EXPECT_TRUE(guard->restore());

  auto nothing = apply_to(machine, devices, domain::Deploy{});
  ASSERT_TRUE(nothing);
  EXPECT_TRUE(nothing->restore());
}

TEST(DeviceStateGuard, of_a_deployment_without_gpus_is_an_error_of_the_study) {
  const Machine machine;
  std::vector<domain::Device> devices{{"package-0", "CPU", "cpu", true, {}}};
  domain::Deploy deploy;
  deploy.power_limit_w = 300;
  const auto guard = apply_to(machine, devices, deploy);
  ASSERT_FALSE(guard);
  EXPECT_EQ(guard.error().kind, ErrorKind::config);
  EXPECT_EQ(guard.error().message,
            "deploy.power_limit_w is set, but no GPU that NVML can reach is in use");
}

TEST(DeviceStateGuard, refuses_a_limit_out_of_range_before_anything_starts) {
  const Machine machine;
  auto devices = machine.devices();
  domain::Deploy deploy;
  deploy.power_limit_w = 900;
  const auto guard = apply_to(machine, devices, deploy);
  ASSERT_FALSE(guard);
  EXPECT_EQ(guard.error().kind, ErrorKind::preflight);
  EXPECT_TRUE(contains(guard.error().message, "200 to 700 W, not 900 W"));
  EXPECT_TRUE(machine.is_original());
}

TEST(DeviceStateCheck, tells_beforehand_what_would_be_refused) {
  const auto refusal = [](const Machine& machine, const domain::Deploy& deploy) {
    const auto checked = DeviceStateGuard::check(machine.devices(), deploy);
    EXPECT_TRUE(machine.is_original());
    EXPECT_TRUE(machine.guards().empty());
    return checked ? std::string() : checked.error().message;
  };
  domain::Deploy deploy = a_limited_deployment();
  EXPECT_EQ(refusal(Machine(), deploy), "");
  EXPECT_EQ(refusal(Machine(), domain::Deploy{}), "");
  EXPECT_TRUE(contains(refusal(Machine(R"({"nvmlDeviceSetPowerManagementLimit": 4})"), deploy),
                       "NO_PERMISSION"));
  deploy.clocks.sm_mhz = 100;
  EXPECT_TRUE(contains(refusal(Machine(), deploy), "not 100 MHz"));
  EXPECT_EQ(DeviceStateGuard::check({}, deploy).error().kind, ErrorKind::config);
}

TEST(DeviceStateGuard, without_permission_changes_nothing_and_says_what_to_do) {
  const Machine machine(R"({"nvmlDeviceSetPowerManagementLimit": 4,
                            "nvmlDeviceResetGpuLockedClocks": 4})");
  auto devices = machine.devices();
  const auto before = devices;
  const auto guard = apply_to(machine, devices);
  ASSERT_FALSE(guard);
  EXPECT_EQ(guard.error().kind, ErrorKind::preflight);
  EXPECT_EQ(guard.error().code, "limits_refused");
  EXPECT_TRUE(contains(guard.error().hint, "-pl 300"));
  EXPECT_TRUE(machine.is_original());
  EXPECT_EQ(devices[0].facts, before[0].facts);
  EXPECT_TRUE(comes_true([&] { return machine.guards().empty(); }));
  EXPECT_FALSE(std::filesystem::exists(machine.file("device-guard.json")));
}

TEST(DeviceStateGuard, that_fails_half_way_puts_back_the_first_half) {
  const Machine machine(R"({"nvmlDeviceSetMemoryLockedClocks": 3})");
  auto devices = machine.devices();
  const auto guard = apply_to(machine, devices);
  ASSERT_FALSE(guard);
  EXPECT_EQ(guard.error().code, "limits_refused");
  EXPECT_TRUE(machine.is_original());
}

TEST(DeviceStateGuard, restores_when_the_holder_is_killed) {
  const Machine machine;
  const Holder holder(machine);
  holder.wait_until_set();
  EXPECT_TRUE(machine.is_set());
  holder.kill();
  EXPECT_TRUE(comes_true([&] { return machine.is_original(); }));
  EXPECT_TRUE(comes_true([&] { return machine.guards().empty(); }));
  std::ifstream report(machine.file("device-guard.json"));
  const std::string text{std::istreambuf_iterator<char>(report), {}};
  EXPECT_TRUE(base::parse_json(text).value().bool_or("restored", false)) << text;
}

TEST(DeviceStateGuard, restores_at_whatever_instant_the_holder_is_killed) {
  // A setter takes 30 ms and there are six of them: the later instants fall between them.
  const Machine machine("{}", R"({"slow_call_us": {"nvmlDeviceSetPowerManagementLimit": 30000,
                "nvmlDeviceSetGpuLockedClocks": 30000, "nvmlDeviceSetMemoryLockedClocks": 30000}})");
  int caught = 0;
  for (const int instant_ms : {0, 2, 5, 10, 20, 40, 60, 80, 100, 140, 180, 220, 300}) {
    const Holder holder(machine);
    std::this_thread::sleep_for(milliseconds(instant_ms));
    holder.kill();
    ::waitpid(holder.pid(), nullptr, WNOWAIT);
    caught += machine.is_original() ? 0 : 1;
    EXPECT_TRUE(comes_true([&] { return machine.is_original(); })) << instant_ms << " ms";
    EXPECT_TRUE(comes_true([&] { return machine.guards().empty(); })) << instant_ms << " ms";
    EXPECT_TRUE(machine.is_original()) << instant_ms << " ms";
  }
  RecordProperty("caught_changed", caught);
}

TEST(DeviceStateGuard, restores_between_any_two_changes) {
  // The third change fails only after a pause that is longer than the test's patience to kill.
  for (const char* slow : {"nvmlDeviceSetPowerManagementLimit", "nvmlDeviceSetGpuLockedClocks",
                           "nvmlDeviceSetMemoryLockedClocks"}) {
    const Machine machine("{}", fmt::format(R"({{"slow_call_us": {{"{}": 1000000}}}})", slow));
    const Holder holder(machine);
    ASSERT_TRUE(comes_true([&] { return !machine.guards().empty(); }, kPatience));
    if (slow == std::string_view("nvmlDeviceSetPowerManagementLimit")) {
      std::this_thread::sleep_for(milliseconds(200));
    } else {
      ASSERT_TRUE(comes_true([&] { return !machine.is_original(); }, kPatience)) << slow;
    }
    holder.kill();
    EXPECT_TRUE(comes_true([&] { return machine.guards().empty(); })) << slow;
    EXPECT_TRUE(machine.is_original()) << slow;
  }
}

TEST(DeviceStateGuard, outlives_the_holders_group_and_session) {
  const Machine machine;
  const Holder holder(machine);
  holder.wait_until_set();
  const auto guards = machine.guards();
  ASSERT_EQ(guards.size(), 1U);
  const auto guard = sys::read_process(guards[0]);
  ASSERT_TRUE(guard);
  EXPECT_NE(guard->group, holder.pid());
  EXPECT_NE(guard->session, holder.pid());
  EXPECT_NE(guard->parent, holder.pid());
  holder.kill_group();
  for (const sys::ProcessEntry& entry : sys::read_process_table()) {
    if (entry.session == holder.pid()) {
      ::kill(entry.pid, SIGKILL);
    }
  }
  EXPECT_TRUE(comes_true([&] { return machine.is_original(); }));
}

TEST(DeviceStateGuard, ignores_the_signals_of_a_terminal) {
  const Machine machine;
  const Holder holder(machine);
  holder.wait_until_set();
  const auto guards = machine.guards();
  ASSERT_EQ(guards.size(), 1U);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    ::kill(guards[0], signal);
  }
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_TRUE(machine.is_set());
  EXPECT_EQ(machine.guards(), guards);
}

TEST(DeviceStateGuard, restores_when_the_holder_ends_by_itself) {
  for (const auto end : {Holder::End::exits, Holder::End::leaves_the_scope}) {
    const Machine machine;
    const Holder holder(machine, end);
    holder.wait_until_set();
    EXPECT_TRUE(comes_true([&] { return machine.is_original(); }));
  }
}

/// This program as a holder, when the next test starts it as one: before any test runs.
const bool kRunsTests = [] {
  const char* folder = std::getenv(kHolderFolder);
  if (folder == nullptr) {
    return true;
  }
  const auto api = nvml::Api::open(nvml::library_names()).value();
  auto devices = devices_of(*api);
  const auto guard = DeviceStateGuard::apply(devices, a_limited_deployment(), files_in(folder));
  while (guard) {
    ::pause();
  }
  ::_exit(1);
}();

TEST(DeviceStateGuard, is_not_hunted_with_the_children_of_a_program_above) {
  const Machine machine;
  ASSERT_TRUE(kRunsTests);
  auto holder = sys::Process::spawn({{"/proc/self/exe"}, {{kHolderFolder, machine.file("")}}});
  ASSERT_TRUE(holder) << holder.error().message;
  ASSERT_TRUE(comes_true([&] { return machine.is_set(); }, kPatience));
  ASSERT_EQ(machine.guards().size(), 1U);
  EXPECT_TRUE(holder->stop(Seconds(0)).hunted.empty()) << "nothing had to be hunted";
  EXPECT_TRUE(comes_true([&] { return machine.is_original(); }));
}

TEST(DeviceStateGuard, that_is_killed_itself_is_missed_and_replaced) {
  const Machine machine;
  auto devices = machine.devices();
  auto guard = apply_to(machine, devices);
  ASSERT_TRUE(guard) << guard.error().message;
  const auto guards = machine.guards();
  ASSERT_EQ(guards.size(), 1U);
  ::kill(guards[0], SIGKILL);
  const auto restored = guard->restore();
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, "guard_lost");
  EXPECT_TRUE(contains(restored.error().message, "put back without it"));
  EXPECT_TRUE(machine.is_original());
}

TEST(DeviceStateGuard, that_cannot_restore_says_what_is_left_to_do) {
  const Machine machine(
      R"({"nvmlDeviceSetPowerManagementLimit": {"code": 4, "while_file": "forbidden"}})");
  auto devices = machine.devices();
  auto guard = apply_to(machine, devices);
  ASSERT_TRUE(guard) << guard.error().message;
  machine.make("forbidden");
  const auto restored = guard->restore();
  ASSERT_FALSE(restored);
  EXPECT_EQ(restored.error().code, "limits_not_restored");
  EXPECT_TRUE(contains(restored.error().message, "is not back at 700 W"));
  EXPECT_TRUE(contains(restored.error().message, "is not back at 650 W"));
  EXPECT_TRUE(contains(restored.error().message, "-pl 700`"));
  EXPECT_EQ(machine.state(0), (std::array{300'000U, 1410U, 2619U})) << "the clocks are back";
}

TEST(DeviceStateGuard, that_cannot_restore_for_a_dead_holder_leaves_a_report) {
  const Machine machine(
      R"({"nvmlDeviceSetPowerManagementLimit": {"code": 4, "while_file": "forbidden"}})");
  const Holder holder(machine);
  holder.wait_until_set();
  machine.make("forbidden");
  holder.kill();
  ASSERT_TRUE(comes_true([&] { return machine.guards().empty(); }));
  std::ifstream file(machine.file("device-guard.json"));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto report = base::parse_json(text);
  ASSERT_TRUE(report) << text;
  EXPECT_FALSE(report->bool_or("restored", true));
  EXPECT_TRUE(contains(report->text_or("error", ""), "is not back at 700 W"));
}

TEST(DeviceStateGuard, tries_again_where_the_driver_is_busy_for_a_moment) {
  const Machine machine(
      R"({"nvmlDeviceSetPowerManagementLimit": {"code": 19, "while_file": "busy"}})");
  auto devices = machine.devices();
  auto guard = apply_to(machine, devices);
  ASSERT_TRUE(guard) << guard.error().message;
  machine.make("busy");
  std::thread later([&machine] {
    std::this_thread::sleep_for(milliseconds(300));
    std::filesystem::remove(machine.file("busy"));
  });
  const auto restored = guard->restore();
  later.join();
  EXPECT_TRUE(restored) << restored.error().message;
  EXPECT_TRUE(machine.is_original());
}

TEST(DeviceStateGuard, of_the_next_run_waits_for_the_one_before) {
  // The first guard is still slow to put back when the next run reads what "original" is.
  const Machine machine("{}", R"({"slow_call_us": {"nvmlDeviceResetMemoryLockedClocks": 300000}})");
  const Holder holder(machine);
  holder.wait_until_set();
  holder.kill();
  auto devices = machine.devices();
  auto guard = apply_to(machine, devices);
  ASSERT_TRUE(guard) << guard.error().message;
  EXPECT_TRUE(machine.is_set());
  const auto restored = guard->restore();
  EXPECT_TRUE(restored) << restored.error().message;
  EXPECT_TRUE(machine.is_original());
}

TEST(DeviceStateGuard, that_is_no_such_program_changes_nothing) {
  const Machine machine;
  auto devices = machine.devices();
  GuardFiles files = files_in(machine.file(""));
  files.program = "/bin/true";
  const auto guard = DeviceStateGuard::apply(devices, a_limited_deployment(), files);
  ASSERT_FALSE(guard);
  EXPECT_EQ(guard.error().code, "limits_refused");
  EXPECT_TRUE(machine.is_original());
}

}  // namespace
}  // namespace llem::meters
