"""What the rules remember: structures of arrays over people, homes and devices."""
