"""The servers a hub brings along for a single machine: a database and a broker."""
