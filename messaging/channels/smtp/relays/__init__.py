"""Email providers whose relay can be used: each is a module here, which the registry finds."""
