"""Tests of the measures, on examples worked out by hand."""
