"""What the API keeps itself: accounts, tokens, the access audit; and reads across the schemas."""

from __future__ import annotations
