"""Tests of the policy data."""
