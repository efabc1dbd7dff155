#!/usr/bin/env python3
"""Computes the values that the tests of `stats` compare with, by libraries and methods other than the program's own.

usage: pip install numpy==2.4.6 scipy==1.17.1 && python3 stats_reference.py > stats_reference.json
"""

import itertools
import json
from fractions import Fraction

import numpy as np
import scipy
from scipy import integrate, optimize, stats

SAMPLES = {
    "two": [1.0, 3.0],
    "five": [412.3, 409.8, 415.1, 411.0, 410.2],
    "ties": [5.0, 5.0, 5.0, 5.0, 9.0],
    "seven": [0.12, 3.4, -1.5, 2.25, 8.0, 0.0, 1e-3],
    "offset": [1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16],
    "skewed": [float(x) for x in np.random.default_rng(1).lognormal(0, 0.8, 30).round(6)],
    "many": [float(x) for x in np.random.default_rng(2).normal(100, 15, 150).round(6)],
}

RATIOS = {
    "even": ([820.0, 790.5, 811.2, 805.9, 799.3], [2000.0, 1950.0, 1990.0, 1985.0, 1960.0]),
    "spread": ([410.0, 900.0, 640.0, 1300.0, 505.0], [1000.0, 2300.0, 1500.0, 3100.0, 1350.0]),
    "uncorrelated": ([5.0, 9.0, 4.0, 8.0, 6.5, 7.0], [10.0, 8.0, 13.0, 6.0, 9.0, 12.0]),
    "unbounded": ([5.0, 7.0, 6.0, 5.5], [0.1, 30.0, 0.2, 0.1]),
    "nearly_exact": ([1.0e6, 1.010002e6, 1.019999e6, 9.90001e5], [1000.0, 1010.0, 1020.0, 990.0]),
    "nearly_exact_spread": ([1.0e6, 1.710002e6, 1.319999e6, 9.90001e5], [1000.0, 1710.0, 1320.0, 990.0]),
    "three": ([1.0, 1.06, 0.97], [10.0, 10.5, 9.8]),
}

LINES = {
    "rising": ([0.0, 1.0, 2.0, 3.0, 5.0], [1.1, 2.9, 5.2, 7.1, 10.8]),
    "late": ([1e6 + 1, 1e6 + 2, 1e6 + 3, 1e6 + 4], [300.0, 299.0, 301.5, 300.5]),
}


def exact_covariance(x, y):
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / (len(x) - 1)


def exact_variance(values):
    exact = [Fraction(v) for v in values]
    return float(exact_covariance(exact, exact))


def summary(values):
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return {
        "values": values,
        "mean": float(sum(Fraction(v) for v in values) / len(values)),
        "variance": exact_variance(values),
        "interval": [low, high],
        "quantiles": [[p, float(np.quantile(values, p))] for p in (0, 0.05, 0.25, 0.5, 0.9, 0.99, 1)],
        "fd_bins": len(np.histogram_bin_edges(values, bins="fd")) - 1,
    }


def ratio(numerators, denominators):
    e, n = np.array(numerators), np.array(denominators)
    count = len(e)
    exact_e, exact_n = [Fraction(v) for v in numerators], [Fraction(v) for v in denominators]
    exact_r = sum(exact_e) / sum(exact_n)
    # The textbook form in rational numbers: in floating point its large squares cancel.
    inner = (
        exact_covariance(exact_e, exact_e)
        + exact_r**2 * exact_covariance(exact_n, exact_n)
        - 2 * exact_r * exact_covariance(exact_e, exact_n)
    )
    r = float(exact_r)
    error = float(inner / count) ** 0.5 / n.mean()
    t = stats.t.ppf(0.975, count - 1)
    made = {"numerators": numerators, "denominators": denominators, "ratio": r, "standard_error": error}
    if np.std(n, ddof=1) / n.mean() <= 0.10:
        return made | {"method": "delta_t", "interval": [r - t * error, r + t * error]}
    if n.mean() ** 2 <= t * t * np.var(n, ddof=1) / count:
        return made | {"method": None}

    # Fieller's set by its definition, the ratios that a t test of mean(e - rho n) = 0 does not reject, instead of the
    # closed roots of its quadratic.
    def rejects(rho):
        d = e - rho * n
        return abs(d.mean()) - t * np.std(d, ddof=1) / np.sqrt(count)

    step = error
    while rejects(r - step) <= 0 or rejects(r + step) <= 0:
        step *= 2
    low = optimize.brentq(rejects, r - step, r, xtol=1e-15, rtol=1e-14)
    high = optimize.brentq(rejects, r, r + step, xtol=1e-15, rtol=1e-14)
    return made | {"method": "fieller", "interval": [low, high]}


def order_statistics(n, p, level):
    """Ranks from 1, by running through all of them."""
    tail = (1 - level) / 2
    lower = [rank for rank in range(1, n + 1) if stats.binom.cdf(rank - 1, n, p) <= tail]
    upper = [rank for rank in range(1, n + 1) if stats.binom.cdf(rank - 1, n, p) >= 1 - tail]
    ranks = [max(lower), min(upper)] if lower and upper else None
    return {"n": n, "p": p, "level": level, "ranks": ranks}


def line(x, y):
    # Centred x leaves slope and error as they are and saves linregress from its own rounding.
    centre = float(np.mean(x))
    fit = stats.linregress([v - centre for v in x], y)
    return {"x": x, "y": y, "slope": fit.slope, "at_mean_x": fit.intercept, "slope_standard_error": fit.stderr}


# Joules and tokens of each cycle of each configuration: seed, relative spread of the joules per token, of the tokens.
STUDIES = {
    "narrow": {"half_width": 0.01, "fewest": 5, "most": 40, "configurations": [(11, 0.005, 0.0)]},
    "slow": {"half_width": 0.01, "fewest": 5, "most": 40, "configurations": [(12, 0.02, 0.0)]},
    "the_worse_of_two": {"half_width": 0.02, "fewest": 10, "most": 40, "configurations": [(13, 0.01, 0.03), (14, 0.04, 0.03)]},
    "fieller": {"half_width": 0.02, "fewest": 5, "most": 60, "configurations": [(15, 0.03, 0.3)]},
    "too_wide": {"half_width": 0.001, "fewest": 3, "most": 12, "configurations": [(16, 0.02, 0.01), (17, 0.0001, 0.01)]},
}


def half_width(numerators, denominators):
    """From the ratio to the farther limit of its interval, by the ratio; none without an end."""
    made = ratio(numerators, denominators)
    if "interval" not in made:
        return None
    low, high = made["interval"]
    return float(max(high - made["ratio"], made["ratio"] - low) / made["ratio"])


def cycles(seed, spread, token_spread, most):
    random = np.random.default_rng(seed)
    tokens = (1000 * (1 + token_spread * random.normal(size=most))).round(3)
    joules = (0.4 * tokens * (1 + spread * random.normal(size=most))).round(6)
    return [float(x) for x in joules], [float(x) for x in tokens]


def stopped(half_width_wanted, fewest, most, configurations):
    """The first number of cycles, from `fewest` on, after which every interval is narrow enough."""
    drawn = [cycles(*configuration, most) for configuration in configurations]
    for blocks in range(fewest, most + 1):
        widths = [half_width(joules[:blocks], tokens[:blocks]) for joules, tokens in drawn]
        done = all(width is not None and width <= half_width_wanted for width in widths)
        if done or blocks == most:
            break
    return {
        "half_width": half_width_wanted, "fewest": fewest, "most": most, "blocks": blocks,
        "verdict": "reached" if done else "maximum_used", "half_widths": widths,
        "configurations": [{"numerators": joules, "denominators": tokens} for joules, tokens in drawn],
    }


def stopping_coverage(variation, fewest, most, studies=100_000, wanted=0.01):
    """Share of studies of normal values, their spread `variation` times the half-width wanted, whose final t interval holds
    the mean, of all and of those that end narrow enough: all of them at once, by running sums."""
    random = np.random.default_rng(1000 * variation + fewest)
    held = narrow = held_narrow = ended = cycles_used = 0
    t = stats.t.ppf(0.975, np.arange(1, most + 1) - 1)
    for _ in range(10):
        deviations = random.normal(scale=variation * wanted, size=(studies // 10, most))  # from a mean of 1
        n = np.arange(1, most + 1)
        mean = np.cumsum(deviations, axis=1) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = (np.cumsum(deviations**2, axis=1) - n * mean**2) / (n - 1)
            half = t * np.sqrt(variance / n)
        ends = half <= wanted * (1 + mean)
        ends[:, : fewest - 1] = False
        reached = ends.any(axis=1)
        ends[:, -1] = True
        at = ends.argmax(axis=1)
        rows = np.arange(len(at))
        holds = np.abs(mean[rows, at]) <= half[rows, at]
        held += int(holds.sum())
        narrow += int(reached.sum())
        held_narrow += int(holds[reached].sum())
        ended += len(at)
        cycles_used += int((at + 1).sum())
    return {
        "variation": variation, "fewest": fewest, "most": most, "studies": ended,
        "coverage": round(held / ended, 4), "mean_cycles": round(cycles_used / ended, 2),
        "reached": round(narrow / ended, 4), "coverage_of_reached": round(held_narrow / narrow, 4),
    }


def nonnegative(rows, values, combination):
    a, y, c = np.array(rows), np.array(values), np.array(combination)
    solution, residual = optimize.nnls(a, y)
    scaled = a / np.linalg.norm(a, axis=0)
    return {"rows": rows, "values": values, "solution": list(solution), "residual_square": residual**2,
            "combination": combination, "variance_factor": float(c @ np.linalg.inv(a.T @ a) @ c),
            "condition_number": float(np.linalg.cond(scaled))}


def pair(a, b):
    d = np.log(np.array(a) / np.array(b))
    test = stats.ttest_1samp(d, 0)
    low, high = test.confidence_interval(0.95)
    ways = list(itertools.product((-1, 1), repeat=len(d)))
    rejected = sum(stats.ttest_1samp(d * np.array(way), 0).pvalue < 0.05 for way in ways)
    return {"a": a, "b": b, "ratio": float(np.exp(d.mean())), "interval": [float(np.exp(low)), float(np.exp(high))],
            "false_positive_rate": rejected / len(ways)}


def detectable(n):
    t = stats.t.ppf(0.975, n - 1)

    # The power given the standard deviation, over its distribution.
    def missing(shift):
        def given(v):
            edge = t * np.sqrt(v / (n - 1))
            return (stats.norm.sf(edge - shift) + stats.norm.cdf(-edge - shift)) * stats.chi2.pdf(v, n - 1)

        return integrate.quad(given, 0, np.inf, epsabs=1e-12, epsrel=1e-11, limit=500)[0] - 0.8

    return {"n": n, "difference": float(optimize.brentq(missing, 0.1, 40, xtol=1e-12) / np.sqrt(n))}


PAIRS = {
    "four": ([1.00, 1.04, 0.98, 1.01], [1.02, 1.01, 1.00, 0.97]),
    "ten": ([412.3, 409.8, 415.1, 411.0, 410.2, 414.4, 408.7, 413.3, 412.9, 411.6],
            [411.0, 410.9, 413.8, 412.2, 409.9, 415.0, 410.1, 412.8, 411.7, 412.1]),
    "unlike": ([2.0, 2.2, 1.9, 2.4, 2.1, 2.0], [1.0, 1.3, 0.9, 1.1, 1.2, 1.0]),
}

def launches(seed, sizes, between, within):
    random = np.random.default_rng(seed)
    return [[float(x) for x in (100 + between * random.normal() + within * random.normal(size=size)).round(6)] for size in sizes]


def robust(values):
    scale = float(stats.median_abs_deviation(values, scale=1 / 1.4826))
    middle = float(np.median(values))
    walsh = [(a + b) / 2 for a, b in itertools.combinations_with_replacement(values, 2)]
    return {"values": values, "median": middle, "scale": scale, "hodges_lehmann": float(np.median(walsh)),
            "outliers": [i for i, v in enumerate(values) if abs(v - middle) > 5 * scale]}


ROBUST = {
    "five": [412.3, 409.8, 415.1, 411.0, 410.2],
    "one_far": [412.3, 409.8, 415.1, 411.0, 410.2, 480.9],
    "both_sides": [10.0, 10.1, 9.9, 10.05, 9.95, 2.0, 17.5],
    "edge": [1.0, 2.0, 3.0, 4.0, 5.0, 11.0, 20.0],
}

LAUNCHES = {
    "balanced": launches(21, [4] * 6, 3.0, 1.0),
    "two": launches(22, [3, 3], 2.0, 1.0),
    "unbalanced": launches(23, [2, 5, 3, 1, 4], 2.0, 2.0),
    "runs_only": launches(24, [3] * 5, 0.0, 1.0),
    "launches_only": launches(25, [2] * 8, 5.0, 0.01),
}


def components(groups):
    """Through quadratic forms: the expected mean squares of a design matrix, instead of the textbook's n0."""
    y = np.concatenate(groups) - 100  # both forms leave a constant out; less is lost to rounding
    z = np.zeros((len(y), len(groups)))
    z[np.arange(len(y)), np.repeat(np.arange(len(groups)), [len(g) for g in groups])] = 1
    hat = z @ np.linalg.inv(z.T @ z) @ z.T
    mean = np.full((len(y), len(y)), 1 / len(y))
    between, within = hat - mean, np.eye(len(y)) - hat
    # E[y'Qy] = s_a tr(Z'QZ) + s_e tr(Q), solved for the two variances.
    a = np.array([[np.trace(z.T @ q @ z), np.trace(q)] for q in (between, within)])
    s_a, s_e = np.linalg.solve(a, [y @ between @ y, y @ within @ y])
    df_a, df_e = len(groups) - 1, len(y) - len(groups)
    h = stats.hmean([len(g) for g in groups])
    means = [np.mean(g) for g in groups]
    s_u = h * np.var(means, ddof=1)
    interval = [df_a * (s_u - stats.f.ppf(p, df_a, df_e) * s_e) / (h * stats.chi2.ppf(p, df_a)) for p in (0.975, 0.025)]
    return {"groups": groups, "mean": float(np.mean(means)), "between": float(s_a), "within": float(s_e),
            "between_interval": [float(x) for x in interval],
            "within_interval": [float(df_e * s_e / stats.chi2.ppf(p, df_e)) for p in (0.975, 0.025)]}


def mser(values, size=5):
    """Every truncation point tried, with the sums of squares of the definition."""
    means = np.asarray(values[:len(values) // size * size]).reshape(-1, size).mean(axis=1)
    n = len(means)
    statistics = [float(np.sum((means[d:] - np.mean(means[d:])) ** 2) / (n - d) ** 2) for d in range(n // 2 + 1)]
    cut = int(np.argmin(statistics))
    return {"values": values, "batches": n, "discarded": cut, "mean": float(np.mean(means)), "kept_mean": float(np.mean(means[cut:]))}


def ramp(seed, n, depth, time, noise, correlation=0.0):
    """A rate that starts low by `depth` and settles exponentially, with noise that follows itself."""
    rng = np.random.default_rng(seed)
    error = np.zeros(n)
    for i in range(1, n):
        error[i] = correlation * error[i - 1] + rng.normal(0, noise)
    return [float(x) for x in (100 * (1 - depth * np.exp(-np.arange(n) / time)) + error).round(6)]


TRANSIENTS = {
    "none": ramp(3, 100, 0.0, 1, 2.0),
    "ramp": ramp(4, 100, 0.5, 10, 1.0),
    "slow": ramp(5, 104, 0.4, 60, 1.0),
    "correlated": ramp(6, 200, 0.3, 20, 1.0, 0.7),
    "falling": [200.0 - x for x in ramp(7, 60, 0.4, 5, 0.5)],
    "short": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
}

ROWS = [[1.0, 2.0, 0.5], [1.0, 1.0, 2.0], [1.0, 4.0, 1.0], [1.0, 3.0, 3.0], [1.0, 0.0, 1.0], [1.0, 5.0, 2.0]]

reference = {
    "made_by": f"stats_reference.py, numpy {np.__version__}, scipy {scipy.__version__}",
    "student": [
        {"p": p, "df": df, "t": float(stats.t.ppf(p, df))}
        for p in (0.025, 0.5, 0.9, 0.95, 0.975, 0.995)
        for df in (1, 2, 3, 4, 9, 29, 1000, 2.5)
    ],
    "summaries": {name: summary(values) for name, values in SAMPLES.items()},
    "ratios": {name: ratio(*pair) for name, pair in RATIOS.items()},
    "pairs": {name: pair(*values) for name, values in PAIRS.items()},
    "detectable": [detectable(n) for n in (3, 5, 6, 8, 10, 20)],
    "nonnegative": {
        "all": nonnegative(ROWS, [7.1, 9.8, 13.2, 17.9, 4.9, 18.1], [10.0, 2.0, 5.0]),
        "one held at zero": nonnegative(ROWS, [1.0, 9.8, 1.2, 10.9, 8.9, 2.1], [0.0, 1.0, -1.0]),
        "two held at zero": nonnegative(ROWS, [9.0, 3.0, 8.0, 1.0, 9.5, 2.0], [1.0, 0.0, 0.0]),
    },
    "variance_components": {name: components(groups) for name, groups in LAUNCHES.items()},
    "robust": {name: robust(values) for name, values in ROBUST.items()},
    "order_statistics": [
        order_statistics(n, p, level)
        for n, p, level in [
            (5, 0.5, 0.95), (6, 0.5, 0.95), (20, 0.5, 0.95), (71, 0.95, 0.95), (72, 0.95, 0.95), (100, 0.95, 0.95),
            (367, 0.99, 0.95), (368, 0.99, 0.95), (1000, 0.99, 0.95), (1000, 0.9, 0.99), (10, 0.05, 0.95),
            (100, 0.9, 0.9), (3000, 0.5, 0.95),
        ]
    ],
    "mser": {name: mser(values) for name, values in TRANSIENTS.items()},
    "lines": {name: line(*points) for name, points in LINES.items()},
    "stopping": {
        name: stopped(study["half_width"], study["fewest"], study["most"], study["configurations"])
        for name, study in STUDIES.items()
    },
    "stopping_coverage": [
        stopping_coverage(*point)
        for point in [
            (1, 3, 100), (2, 3, 100), (1, 5, 100), (2, 5, 100), (1, 10, 100), (2, 10, 100), (2, 5, 10), (2, 10, 20), (3, 10, 20),
        ]
    ],
}


def lines_of(value, depth):
    """JSON with one entry a line down to `depth`, so that a change shows as a small difference."""
    if depth == 0 or not isinstance(value, (dict, list)):
        return json.dumps(value)
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f"{json.dumps(k)}: {lines_of(v, depth - 1)}" for k, v in value.items()) + "\n}"
    return "[\n" + ",\n".join(lines_of(v, depth - 1) for v in value) + "\n]"


print(lines_of(reference, 2))
