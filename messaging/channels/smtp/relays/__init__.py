"""Email providers whose relay can be used: a module for each, found because it is there."""
