"""Policy data: how alerts are answered, as files that an organisation may replace."""
