"""Complete jobs on real data, each with its baselines and its errors.

`series.read_series` and `windows.frame` prepare a series, `forecast.compare_forecasts`
trains networks on it.
"""
