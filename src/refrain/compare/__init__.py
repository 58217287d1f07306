"""Compares cells by measurement: contests, the race, its record, and what is shown.

A contest brings the data and says what is measured; the race knows no task.
"""
