#include "analysis/joined.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/parts.hpp"
#include "analysis/phase_energy.hpp"
#include "analysis/scope_energy.hpp"
#include "analysis/steady_state.hpp"

namespace llem::analysis {

namespace {

template <class Of>
std::optional<double> mean_over(const std::vector<WindowBlocks>& blocks, Of&& of) {
  TimedMean mean;
  for (const WindowBlocks& block : blocks) {
    mean.add(of(block), block.window->duration_s);
  }
  return mean.get();
}

const domain::DeviceThermal* find_device(const WindowBlocks& block, const std::string& device) {
  if (!block.thermal) {
    return nullptr;
  }
  const auto it = std::ranges::find(block.thermal->devices, device, &domain::DeviceThermal::device);
  return it == block.thermal->devices.end() ? nullptr : &*it;
}

domain::DeviceThermal joined_device(const std::vector<WindowBlocks>& blocks,
                                    const domain::DeviceThermal& first) {
  using domain::DeviceThermal;
  using domain::ThrottleShares;
  DeviceThermal joined = first;
  for (const WindowBlocks& block : blocks) {
    if (const auto* own = find_device(block, first.device)) {
      joined.temperature_max_celsius =
          std::max(joined.temperature_max_celsius, own->temperature_max_celsius);
      if (own->clock_sm_min_hz) {
        joined.clock_sm_min_hz =
            std::min(joined.clock_sm_min_hz.value_or(*own->clock_sm_min_hz), *own->clock_sm_min_hz);
      }
    }
  }
  const auto mean = [&](std::optional<double> DeviceThermal::* field) {
    return mean_over(blocks, [&](const WindowBlocks& block) {
      const auto* own = find_device(block, first.device);
      return own != nullptr ? own->*field : std::nullopt;
    });
  };
  joined.temperature_mean_celsius = mean(&DeviceThermal::temperature_mean_celsius);
  joined.clock_sm_mean_hz = mean(&DeviceThermal::clock_sm_mean_hz);
  if (joined.throttle) {
    for (const auto share : {&ThrottleShares::power_ratio, &ThrottleShares::sw_thermal_ratio,
                             &ThrottleShares::hw_thermal_ratio, &ThrottleShares::brake_ratio}) {
      (*joined.throttle).*share = mean_over(blocks, [&](const WindowBlocks& block) {
        const auto* own = find_device(block, first.device);
        return own != nullptr && own->throttle ? (*own->throttle).*share : std::nullopt;
      });
    }
  }
  return joined;
}

void add_times(domain::Phases& sum, const domain::Phases& more) {
  sum.prefill_s += more.prefill_s;
  sum.decode_s += more.decode_s;
  sum.mixed_s += more.mixed_s;
  sum.between_steps_s += more.between_steps_s;
}

void add_energies(domain::Phases& sum, const domain::Phases& more) {
  sum.prefill_j = plus(sum.prefill_j, more.prefill_j);
  sum.decode_j = plus(sum.decode_j, more.decode_j);
  sum.shared_j =
      sum.shared_j && more.shared_j ? std::optional(*sum.shared_j + *more.shared_j) : std::nullopt;
  sum.condition_number = larger(sum.condition_number, more.condition_number);
  sum.held_out_ratio = std::max(sum.held_out_ratio, more.held_out_ratio);
}

domain::Phases only_times(const domain::Phases& phases, std::string refused) {
  domain::Phases times;
  add_times(times, phases);
  times.energy_refused = std::move(refused);
  return times;
}

}  // namespace

void TimedMean::add(const std::optional<double>& value, double seconds) {
  whole_ = whole_ && value;
  sum_ += value.value_or(0) * seconds;
  seconds_ += seconds;
}

std::optional<double> TimedMean::get() const {
  return whole_ && seconds_ > 0 ? std::optional(sum_ / seconds_) : std::nullopt;
}

std::optional<domain::Value> plus(std::optional<domain::Value> a,
                                  const std::optional<domain::Value>& b) {
  if (!a || !b) {
    return std::nullopt;
  }
  const bool random = a->u_random && b->u_random;
  const bool systematic = a->u_systematic && b->u_systematic;
  a->value += b->value;
  a->u_random = random ? std::optional(std::hypot(*a->u_random, *b->u_random)) : std::nullopt;
  a->u_systematic = systematic ? std::optional(*a->u_systematic + *b->u_systematic) : std::nullopt;
  return a;
}

std::optional<domain::Phases> joined_phases(const std::vector<WindowBlocks>& blocks,
                                            const Window& all,
                                            const std::optional<domain::Energy>& energy) {
  if (blocks.size() == 1 || !blocks.front().phases) {
    return blocks.front().phases;
  }
  domain::Phases sum = *blocks.front().phases;
  std::optional<std::string> refused = sum.energy_refused;
  for (std::size_t i = 1; i < blocks.size(); ++i) {
    if (!blocks[i].phases) {
      return std::nullopt;
    }
    const domain::Phases& more = *blocks[i].phases;
    add_times(sum, more);
    if (refused) {
      continue;
    }
    if (more.energy_refused) {
      refused = more.energy_refused;
    } else if (more.model != sum.model) {
      refused = "the windows were fitted by different models";
    } else {
      add_energies(sum, more);
    }
  }
  if (!refused && (!energy || !energy->headline_gross_j)) {
    refused = "the windows differ in what their energy covers";
  }
  if (refused) {
    return only_times(sum, *std::move(refused));
  }
  sum.unattributed_j = energy->headline_gross_j->value - sum.prefill_j->value - sum.decode_j->value;
  sum.prefill_j_per_input_token = per_count(sum.prefill_j, all.input_tokens);
  sum.decode_j_per_output_token = per_count(sum.decode_j, all.output_tokens);
  return sum;
}

std::optional<domain::Thermal> joined_thermal(const std::vector<WindowBlocks>& blocks) {
  if (blocks.size() == 1 || !blocks.front().thermal) {
    return blocks.front().thermal;
  }
  domain::Thermal thermal;
  for (const domain::DeviceThermal& device : blocks.front().thermal->devices) {
    thermal.devices.push_back(joined_device(blocks, device));
  }
  return thermal;
}

std::optional<domain::HostLoad> joined_host_load(const std::vector<WindowBlocks>& blocks) {
  if (blocks.size() == 1 || !blocks.front().host_load) {
    return blocks.front().host_load;
  }
  using domain::HostLoad;
  const auto mean = [&](std::optional<double> HostLoad::* field) {
    return mean_over(blocks, [&](const WindowBlocks& block) {
      return block.host_load ? (*block.host_load).*field : std::nullopt;
    });
  };
  HostLoad load;
  load.cpu_busy_ratio = mean(&HostLoad::cpu_busy_ratio);
  load.cpu_steal_ratio = mean(&HostLoad::cpu_steal_ratio);
  load.involuntary_switches_per_s = mean(&HostLoad::involuntary_switches_per_s);
  std::optional<double> worker_s = 0;
  double busy_s = 0;  // of all CPUs, as far as the worker's share of it is known
  bool shared = true;
  for (const WindowBlocks& block : blocks) {
    const auto own = block.host_load ? block.host_load->worker_cpu_s : std::nullopt;
    const auto share = block.host_load ? block.host_load->worker_share_ratio : std::nullopt;
    worker_s = worker_s && own ? std::optional(*worker_s + *own) : std::nullopt;
    shared = shared && own && share && *share > 0;
    busy_s += shared ? *own / *share : 0;
  }
  load.worker_cpu_s = worker_s;
  if (worker_s && shared && busy_s > 0) {
    load.worker_share_ratio = *worker_s / busy_s;
  }
  return load;
}

domain::Steady told_steady(const std::vector<WindowBlocks>& blocks) {
  const auto failed = std::ranges::find_if(
      blocks, [](const WindowBlocks& block) { return moved_in_window(block.steady); });
  const auto told = failed != blocks.end() ? failed : blocks.begin();
  domain::Steady steady = told->steady;
  if (blocks.size() > 1) {
    steady.of_window = 1 + (told - blocks.begin());
  }
  return steady;
}

std::vector<domain::WindowFigures> window_figures(const std::vector<WindowBlocks>& blocks,
                                                  bool prompts_repeat) {
  std::vector<domain::WindowFigures> figures;
  for (const WindowBlocks& block : blocks) {
    const Window& window = *block.window;
    domain::WindowFigures& f = figures.emplace_back();
    f.window = static_cast<std::int64_t>(figures.size());
    f.window_s = window.duration_s;
    f.requests = window.requests;
    f.output_tokens = window.output_tokens;
    f.input_tokens = window.input_tokens;
    if (block.energy && block.energy->headline_gross_j) {
      f.scope = block.energy->headline_scope;
      f.gross_j = block.energy->headline_gross_j;
      f.net_j = block.energy->headline_net_j;
      f.gross_j_per_output_token = per_count(f.gross_j, window.output_tokens);
      f.mean_power_w = f.gross_j->value / window.duration_s;
    }
    // Tokens are counted; only the two marks of the time are uncertain.
    const double rate = throughput(window).output_tokens_per_s;
    f.output_tokens_per_s.value = rate;
    f.output_tokens_per_s.u_random = rate * std::sqrt(2.0) * window.mark_u_s / window.duration_s;
    const domain::Latency times = latency(*window.serve, prompts_repeat);
    const auto median = [](const std::optional<domain::Distribution>& d) {
      return d ? std::optional(d->median) : std::nullopt;
    };
    f.service_ttft_median_s = median(times.service_ttft_s);
    f.itl_median_s = median(times.itl_s);
    f.e2e_median_s = median(times.e2e_s);
  }
  return figures;
}

}  // namespace llem::analysis
