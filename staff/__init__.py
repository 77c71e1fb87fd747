"""Staff: accounts, sign-in, sessions."""
