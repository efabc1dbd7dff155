"""Interleaved comparisons: geometric mean ratio with a Student t interval over pairs, every pair kept."""
import math

# Two-sided 95 % quantiles of Student's t for 1 ... 40 degrees of freedom (any statistical table).
T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
       2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042, 2.040, 2.037,
       2.035, 2.032, 2.030, 2.028, 2.026, 2.024, 2.023, 2.021]


def geometric_ratio(numerators, denominators):
    """(ratio, low, high) of paired positive numbers; the interval is on the log scale."""
    logs = [math.log(a / b) for a, b in zip(numerators, denominators)]
    n = len(logs)
    mean = sum(logs) / n
    sd = math.sqrt(sum((x - mean) ** 2 for x in logs) / (n - 1))
    half = T95[min(n - 2, len(T95) - 1)] * sd / math.sqrt(n)
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)
