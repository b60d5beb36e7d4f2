"""What tests share: servers, a clock, ways to wait."""
