"""Members' pages: links, preferences, unsubscribing."""
