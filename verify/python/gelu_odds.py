"""The polynomial of `gelu` in packages/core/assembly/functions.ts, and how far what is made of it is from float64.

The odds of less than x to more are 2^(x * T(x * x)) in a normal distribution, so that gelu(-x) = -x / (1 + odds). T is fitted by least
squares whose weights grow where the error is largest (Lawson's algorithm), up to |x| = 5.7. Needs numpy and mpmath.
"""

import numpy
from mpmath import erfc, log, mp, mpf, sqrt

LIMIT, DEGREE = 5.7, 9
UNIT = 2.0**-23

mp.dps = 40
x = LIMIT / 2 * (1 - numpy.cos(numpy.pi * (numpy.arange(1500) + 0.5) / 1500))
x = x[x > 1e-4]
less = [erfc(-mpf(value) / sqrt(2)) / 2 for value in x]
more = [erfc(mpf(value) / sqrt(2)) / 2 for value in x]
exponents = numpy.array([float(log(a / b, 2)) for a, b in zip(less, more)])
tail = numpy.array([float(value) for value in more])

# The error of gelu for one of the exponent, in units of its own last place or sixteenths of the argument's; at least so much that
# the tail, which hardly counts, stays near.
weight = x * tail * (1 - tail) * numpy.log(2) / (numpy.maximum(x * tail, x / 16) * UNIT)
weight = numpy.maximum(weight, 4)
powers = x[:, None] * numpy.vander(x * x / LIMIT**2, DEGREE + 1, increasing=True)
grown = numpy.ones_like(x)
best = numpy.inf
for _ in range(1500):
    both = weight * grown
    found, *_ = numpy.linalg.lstsq(powers * both[:, None], exponents * both, rcond=1e-16)
    errors = numpy.abs(weight * (powers @ found - exponents))
    if errors.max() < best:
        best, coefficients = errors.max(), found / LIMIT ** (2 * numpy.arange(DEGREE + 1))
    grown = grown * numpy.sqrt(errors / errors.max() + 1e-4)
    grown /= grown.max()

print(f"largest error {best:.2f} units")
coefficients[0] -= 2
for power, value in enumerate(coefficients):
    print(f"(x * x)^{power}: {float(value)!r}" + (" beside 2 * x" if power == 0 else ""))
