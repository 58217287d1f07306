"""Compares cells by measurement: the race, its record, the table and the picture.

Knows no task: `refrain.tasks` brings the data and says what an error is.
"""
