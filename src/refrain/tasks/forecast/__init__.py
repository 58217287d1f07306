"""Forecasting of one or many series: data, windows, network, baselines, backtest."""
