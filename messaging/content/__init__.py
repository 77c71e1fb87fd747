"""Content of messages: templates, checked before any message is sent, and rendered for each person."""
