"""Delivery, decided without a database or a network."""
