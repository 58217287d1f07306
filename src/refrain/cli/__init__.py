"""The `refrain` command: one file for each verb."""
