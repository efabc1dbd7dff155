#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "analysis/interval_value.hpp"
#include "analysis/parts.hpp"
#include "stats/interval.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

std::optional<domain::IntervalValue> interval_of(std::span<const double> sorted, double p) {
  const auto interval = stats::quantile_interval(sorted, p);
  return interval ? std::optional(interval_value(*interval)) : std::nullopt;
}

domain::Distribution with_moments(std::span<const double> values) {
  domain::Distribution d;
  const auto moments = stats::moments(values);
  d.n = static_cast<std::int64_t>(values.size());
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
  domain::Distribution d = with_moments(values);
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

/// Type 7 quantile by selection; sorts only what lies at or above `from`, so ask in rising order of
/// p.
double selected(std::vector<double>& values, std::size_t& from, double p) {
  const double place = p * static_cast<double>(values.size() - 1);
  const auto k = static_cast<std::size_t>(std::floor(place));
  const auto begin = values.begin();
  std::nth_element(begin + static_cast<std::ptrdiff_t>(from),
                   begin + static_cast<std::ptrdiff_t>(k), values.end());
  from = k;
  const double share = place - static_cast<double>(k);
  if (share <= 0) {
    return values[k];
  }
  const double next = *std::min_element(begin + static_cast<std::ptrdiff_t>(k) + 1, values.end());
  return values[k] + share * (next - values[k]);
}

/// Millions of gaps, dependent within a request: percentiles without intervals, by selection
/// instead of sorting.
std::optional<domain::Distribution> over_gaps(std::vector<double>& values) {
  if (values.empty()) {
    return std::nullopt;
  }
  domain::Distribution d = with_moments(values);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  d.min = *low;
  d.max = *high;
  std::size_t from = 0;
  d.median = selected(values, from, 0.5);
  d.p90 = selected(values, from, 0.9);
  d.p95 = selected(values, from, 0.95);
  d.p99 = selected(values, from, 0.99);
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

void collect_gaps(const domain::Serve& serve, std::vector<double>& buffer) {
  buffer.clear();
  buffer.reserve(serve.token_ns.size());
  const bool chunks = serve.token_time == domain::TokenTime::per_chunk;
  for (const auto& request : serve.requests) {
    if (!served(request)) {
      continue;
    }
    const auto times = token_times(serve, request);
    for (std::size_t i = 1; i < times.size(); ++i) {
      // Tokens of one chunk share its time: the gap is between chunks.
      if (!chunks || times[i] != times[i - 1]) {
        buffer.push_back(seconds_between(times[i - 1], times[i]));
      }
    }
  }
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
    collect_gaps(serve, buffer);
    latency.itl_s = over_gaps(buffer);
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
