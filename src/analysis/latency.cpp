#include <algorithm>
#include <limits>
#include <set>
#include <span>
#include <vector>

#include "analysis/interval_value.hpp"
#include "analysis/parts.hpp"
#include "stats/interval.hpp"
#include "stats/moments.hpp"
#include "stats/selection.hpp"

namespace llem::analysis {

namespace {

std::optional<domain::IntervalValue> interval_of(std::span<const double> sorted, double p) {
  const auto interval = stats::quantile_interval(sorted, p);
  return interval ? std::optional(interval_value(*interval)) : std::nullopt;
}

domain::Distribution with_moments(const stats::Moments& moments) {
  domain::Distribution d;
  d.n = static_cast<std::int64_t>(moments.count());
  d.mean = moments.mean();
  d.sd = moments.standard_deviation();
  return d;
}

/// Requests of one batch share its times, and a prompt served twice is no second draw: what n
/// counts then is not what an interval needs.
bool distinct(const domain::Serve& serve, bool prompts_repeat) {
  std::vector<std::int64_t> starts;
  for (const auto& request : serve.requests) {
    if (served(request)) {
      starts.push_back(request.started_ns);
    }
  }
  std::sort(starts.begin(), starts.end());
  return !prompts_repeat && std::adjacent_find(starts.begin(), starts.end()) == starts.end();
}

std::optional<domain::Distribution> over_requests(std::vector<double>& values, bool intervals) {
  if (values.empty()) {
    return std::nullopt;
  }
  std::sort(values.begin(), values.end());
  domain::Distribution d = with_moments(stats::moments(values));
  d.min = values.front();
  d.max = values.back();
  d.median = stats::quantile_sorted(values, 0.5);
  d.p90 = stats::quantile_sorted(values, 0.9);
  d.p95 = stats::quantile_sorted(values, 0.95);
  d.p99 = stats::quantile_sorted(values, 0.99);
  if (!intervals) {
    return d;
  }
  d.median_interval = interval_of(values, 0.5);
  d.p90_interval = interval_of(values, 0.9);
  d.p95_interval = interval_of(values, 0.95);
  d.p99_interval = interval_of(values, 0.99);
  return d;
}

template <class Of>
std::optional<domain::Distribution> per_request(const domain::Serve& serve,
                                                std::vector<double>& buffer, bool intervals,
                                                Of&& of) {
  buffer.clear();
  for (const auto& request : serve.requests) {
    if (served(request) && request.output_tokens > 0 && request.first_token_ns > 0) {
      if (const std::optional<double> value = of(request)) {
        buffer.push_back(*value);
      }
    }
  }
  return over_requests(buffer, intervals);
}

std::span<const std::int64_t> token_times(const domain::Serve& serve,
                                          const domain::RequestRecord& request) {
  const auto offset = static_cast<std::size_t>(std::max<std::int64_t>(request.token_offset, 0));
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(request.output_tokens, 0));
  if (offset > serve.token_ns.size() || count > serve.token_ns.size() - offset) {
    return {};
  }
  return std::span(serve.token_ns).subspan(offset, count);
}

/// Gives the nanoseconds between the tokens of each request to `take`.
template <class Take>
void each_gap(const domain::Serve& serve, const Take& take) {
  const bool chunks = serve.token_time == domain::TokenTime::per_chunk;
  for (const auto& request : serve.requests) {
    if (!served(request)) {
      continue;
    }
    const auto times = token_times(serve, request);
    for (std::size_t i = 1; i < times.size(); ++i) {
      // Tokens of one chunk share its time: the gap is between chunks.
      if (!chunks || times[i] != times[i - 1]) {
        take(times[i] - times[i - 1]);
      }
    }
  }
}

/// Millions of gaps, dependent within a request: percentiles without intervals, by counting instead
/// of sorting a copy.
std::optional<domain::Distribution> over_gaps(const domain::Serve& serve) {
  stats::Moments moments;
  std::int64_t low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = std::numeric_limits<std::int64_t>::min();
  const auto note = [&](std::int64_t gap) {
    moments.add(seconds_between(0, gap));
    low = std::min(low, gap);
    high = std::max(high, gap);
  };
  each_gap(serve, note);
  if (moments.count() == 0) {
    return std::nullopt;
  }
  // Type 7, as stats::quantile_sorted.
  const std::size_t last = moments.count() - 1;
  const auto place = [last](double p) { return p * static_cast<double>(last); };
  std::set<std::size_t> ranks;
  for (const double p : {0.5, 0.9, 0.95, 0.99}) {
    const auto below = static_cast<std::size_t>(place(p));
    ranks.insert({below, std::min(below + 1, last)});
  }
  const auto at =
      stats::at_ranks(ranks, low, high, [&](const auto& take) { each_gap(serve, take); });
  const auto quantile = [&](double p) {
    const auto below = static_cast<std::size_t>(place(p));
    const double value = seconds_between(0, at.at(below));
    const double next = seconds_between(0, at.at(std::min(below + 1, last)));
    return value + (place(p) - static_cast<double>(below)) * (next - value);
  };
  domain::Distribution d = with_moments(moments);
  d.min = seconds_between(0, low);
  d.max = seconds_between(0, high);
  d.median = quantile(0.5);
  d.p90 = quantile(0.9);
  d.p95 = quantile(0.95);
  d.p99 = quantile(0.99);
  return d;
}

}  // namespace

domain::Latency latency(const domain::Serve& serve, bool prompts_repeat) {
  using Request = domain::RequestRecord;
  domain::Latency latency;
  latency.token_time = serve.token_time;
  const bool intervals = distinct(serve, prompts_repeat);
  std::vector<double> buffer;
  // Spread evenly by an estimate, gaps would carry no information.
  if (serve.token_time != domain::TokenTime::estimated) {
    latency.itl_s = over_gaps(serve);
  }
  latency.service_ttft_s = per_request(serve, buffer, intervals, [](const Request& r) {
    return seconds_between(r.started_ns, r.first_token_ns);
  });
  latency.ttft_s = per_request(serve, buffer, intervals, [](const Request& r) {
    return seconds_between(r.submitted_ns, r.first_token_ns);
  });
  latency.queue_s = per_request(serve, buffer, intervals, [](const Request& r) {
    return seconds_between(r.submitted_ns, r.started_ns);
  });
  latency.tpot_s =
      per_request(serve, buffer, intervals, [](const Request& r) -> std::optional<double> {
        if (r.output_tokens < 2) {
          return std::nullopt;
        }
        return seconds_between(r.first_token_ns, r.end_ns) /
               static_cast<double>(r.output_tokens - 1);
      });
  latency.e2e_s = per_request(serve, buffer, intervals, [](const Request& r) {
    return seconds_between(r.submitted_ns, r.end_ns);
  });
  return latency;
}

}  // namespace llem::analysis
