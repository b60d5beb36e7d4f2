"""The alerts role against real servers of others: mail, webhooks, a service's interface."""
