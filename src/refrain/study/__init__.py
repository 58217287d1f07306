"""Trains and measures networks, and checks cells.

Knows no task: `refrain.tasks` brings the data and says what an error is.
"""
