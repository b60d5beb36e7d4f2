"""What became of alerts, in numbers: response, burden, outcomes, coverage, evaluation. Pure."""
