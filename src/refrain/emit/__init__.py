"""From a program to code, one folder a target."""
