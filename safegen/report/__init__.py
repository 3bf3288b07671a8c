"""Runs and verdicts as pages for people, and as documents for programs."""
