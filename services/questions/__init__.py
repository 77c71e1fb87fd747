"""Questions: one question with named answers, which people press, text or write."""
