"""Delivery: how a message about an alert reaches somebody, over which channel, with what proof."""
